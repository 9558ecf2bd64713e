import { Fetch, NodeXHR, WebSocket, WebTransport, XHR } from "socket.io-client";

import type { Transports } from "./types.js";

/**
 * The transports to use where this runs. Socket.IO's build for browsers polls
 * with XMLHttpRequest, which service workers and some other runtimes lack:
 * there it polls with fetch, or not at all. Its build for Node.js brings its own.
 */
export function transportsHere(transports: Transports = ["polling", "websocket"]): { transports: Transports } {
  const isBrowserBuild = (NodeXHR as unknown) === XHR;
  if (!isBrowserBuild || typeof XMLHttpRequest !== "undefined") return { transports };
  const here = new Map<unknown, unknown>([
    ["polling", typeof fetch === "undefined" ? undefined : Fetch],
    ["websocket", WebSocket],
    ["webtransport", WebTransport],
  ]);
  return { transports: transports.map((name) => (here.has(name) ? here.get(name) : name)).filter(Boolean) as Transports };
}
