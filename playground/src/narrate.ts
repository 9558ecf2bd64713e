import type { PresenceEvent } from "realtime-message-sdk";

import type { EventLog } from "./event-log.js";
import type { Channel } from "./wire.js";

/** Writes what happens to a channel into the log, and says what matters of it. */
export function narrate(channel: Channel, log: EventLog, announce: (sentence: string) => void): void {
  let lostAt: number | undefined;
  channel.on("connected", ({ seq, self, resumed, snapshot }) => {
    if (lostAt === undefined) return; // a first join, which whoever asked for it tells
    const text = resumed ? "resumed as the same member" : "joined again as a new member";
    log.add({ kind: "back", text: `${text}, ${snapshot.length} here`, seq, epoch: self.epoch, ms: Date.now() - lostAt });
    announce(`Connected again: ${text}.`);
    lostAt = undefined;
  });
  channel.on("disconnected", ({ reason, willReconnect }) => {
    // A network that was cut on this page is also the one that connects again.
    const lost = willReconnect || reason === "connection";
    lostAt = lost ? Date.now() : undefined;
    log.add({ kind: lost ? "lost" : "left", text: `reason: ${reason}` });
    announce(lost ? "Connection lost." : `No longer in the room: ${reason}.`);
  });
  channel.on("reconnecting", ({ attempt }) => {
    log.add({ kind: "retry", text: `attempt ${attempt}` });
  });
  channel.on("heartbeatAck", ({ changed, seq, epoch, latencyMs }) => {
    log.add({ kind: "heartbeat", text: changed ? "acknowledged: state changed" : "acknowledged", seq, epoch, ms: latencyMs });
  });
  channel.on("presenceEvent", (event) => {
    log.add({ kind: event.type, text: whatHappened(event), seq: event.seq, epoch: event.epoch, ms: Date.now() - event.ts });
    const news = newsOf(event);
    if (news && event.connId !== channel.self?.connId) announce(`${event.userId} ${news}.`);
  });
  channel.on("error", (error) => {
    log.add({ kind: "error", text: `${error.code}: ${error.message}` });
  });
}

function whatHappened(event: PresenceEvent): string {
  const { userId } = event;
  if (event.type === "leave") return `${userId}, reason: ${event.reason}`;
  return `${userId} ${event.status} ${JSON.stringify(event.state)}`;
}

/** What is worth interrupting a listener for. */
function newsOf(event: PresenceEvent): string | undefined {
  if (event.type === "leave") return event.userConns === 0 ? "left" : undefined;
  if (event.type === "join") return event.userConns === 1 ? "joined" : undefined;
  return event.status === "away" ? "is away" : undefined;
}
