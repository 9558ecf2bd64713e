// A thousand reloads and drops: nobody else notices, and nothing piles up.

import { afterAll, beforeAll, expect, test } from "vitest";

import { type DefaultState, RealtimeClient } from "../../src/index.js";
import { Tab } from "./lib/page.js";
import { Server } from "./lib/processes.js";
import { until } from "./lib/until.js";

const TIMES = 500; // of each kind

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(async () => {
  Tab.none();
  await server.stop();
});

function connect(): RealtimeClient {
  return new RealtimeClient({ baseUrl: server.url, transports: ["websocket"], reconnectionDelayMax: 1 });
}

/** How many timers and sockets this process has, and listeners the client. */
function held(client: RealtimeClient): number[] {
  const socket = client.getSocket();
  const open = process.getActiveResourcesInfo();
  const heard = ["connect", "disconnect", "connect_error"].map((name) => socket.listeners(name));
  const managed = (["open", "close", "packet", "error", "ping", "reconnect_attempt"] as const).map((name) => socket.io.listeners(name));
  return [
    open.filter((kind) => kind === "Timeout").length,
    open.filter((kind) => kind === "TCPSocketWrap").length,
    [...heard, ...managed, socket.listenersAny()].flat().length,
  ];
}

test(`${TIMES} reloads and ${TIMES} drops are unseen, and leave nothing behind`, async () => {
  const watcher = connect();
  const { channel: ann } = await watcher.joinRoom({ roomId: "r", userId: "ann" });
  const seen: string[] = [];
  ann.on("presenceEvent", ({ type, userId }) => seen.push(`${type} ${userId}`));

  const tab = new Tab();
  tab.load();
  let page = connect();
  const state: DefaultState = { n: 0 };
  let { channel: bob } = await page.joinRoom({ roomId: "r", userId: "bob", state });
  const { connId } = bob.self ?? {};

  const reload = async () => {
    tab.hide();
    page.getSocket().io.reconnection(false);
    page.getSocket().io.engine.close();
    tab.load();
    page = connect();
    const joined = await page.joinRoom({ roomId: "r", userId: "bob" });
    bob = joined.channel;
    expect(joined.response.resumed).toBe(true);
  };
  const drop = async () => {
    const back = new Promise((resolve) => {
      const end = bob.on("connected", (response) => {
        end();
        resolve(response.resumed);
      });
    });
    page.getSocket().io.reconnectionDelay(1);
    page.getSocket().io.engine.close();
    expect(await back).toBe(true);
  };

  await reload();
  await drop();
  const before = held(page);
  const nothingMore = () => held(page).every((count, index) => count <= (before[index] ?? 0));
  for (let n = 0; n < TIMES; n++) await reload();
  await bob.updateState({ n: 1 });
  for (let n = 0; n < TIMES; n++) await drop();
  await until("nothing more is held than at the beginning", nothingMore);
  expect(bob.self).toMatchObject({ connId, state: { n: 1 } });
  await bob.updateState({ done: true });
  await until("ann sees the last patch", () => ann.users.get("bob")?.members[0]?.state.done === true);
  expect(seen).toEqual(["join bob", "update bob", "update bob"]);
  page.disconnect();
  watcher.disconnect();
});
