export { PresenceChannel } from "./channel.js";
export { RealtimeClient } from "./client.js";
export { RealtimeError, type ClientErrorCode } from "./errors.js";
export type * from "./protocol.js";
export type * from "./types.js";
