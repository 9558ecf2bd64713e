import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

/** A web server that is not the realtime one, on a free loopback port. */
export interface Site {
  readonly port: number;
  close(): void;
}

/** Starts a site that answers so. */
export async function serve(answer: RequestListener): Promise<Site> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
