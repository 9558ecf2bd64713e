import { notSendable } from "./errors.js";
import type { Changes } from "./patches.js";

/** What Socket.IO sends as an attachment instead of as JSON. */
type Binary = ArrayBuffer | ArrayBufferView | Blob;

/** Room for what is around the JSON of a message: packet types, namespace, acknowledgement number, counts. */
const FRAME_BYTES = 128;

/**
 * The size of a message on the wire: its arguments as JSON, and its
 * attachments, as base64 where the transport carries text alone. A few bytes
 * more than it really is, never fewer. Throws a TypeError if an argument
 * cannot be sent.
 */
export function messageBytes(args: readonly unknown[], base64: boolean): number {
  let attached = 0;
  const json = JSON.stringify(args, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key]; // where `value` is what `toJSON` made of it
    if (!isBinary(raw)) return value;
    const bytes = "size" in raw ? raw.size : raw.byteLength;
    attached += FRAME_BYTES + (base64 ? Math.ceil(bytes / 3) * 4 : bytes);
    return null;
  });
  return FRAME_BYTES + new TextEncoder().encode(json).length + attached;
}

function isBinary(value: unknown): value is Binary {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) || (typeof Blob !== "undefined" && value instanceof Blob);
}

/** Whether this is what the protocol calls an object. */
export function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A state or a patch as the wire carries it, and a copy that nobody changes. Throws a RealtimeError for what is no JSON object. */
export function asSent<T extends object>(given: T): T {
  return sendable(() => {
    const copy = JSON.parse(JSON.stringify(given, refuseCode)) as T;
    if (!isObject(copy)) throw new TypeError("it is no object");
    return copy;
  });
}

/** The deletion of keys as changes. Throws a RealtimeError if they are no list. */
export function deleted(keys: readonly string[]): Changes {
  return sendable(() => Object.fromEntries(keys.map((key) => [key, undefined])));
}

function sendable<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw notSendable("state", cause);
  }
}

/** JSON leaves functions and symbols out without a word. */
function refuseCode(key: string, value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol") throw new TypeError(`${key} is a ${typeof value}`);
  return value;
}
