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
  return FRAME_BYTES + utf8Bytes(json) + attached;
}

function isBinary(value: unknown): value is Binary {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) || (typeof Blob !== "undefined" && value instanceof Blob);
}

function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) bytes++;
    if (unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff)) bytes++; // each half of a surrogate pair is two bytes
  }
  return bytes;
}
