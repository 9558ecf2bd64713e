import { realtimeBinary } from "../../../e2e/lib/binary.mjs";

/** Builds the server once for all files, unless REALTIME_BIN names one. */
export default function setup(): void {
  realtimeBinary();
}
