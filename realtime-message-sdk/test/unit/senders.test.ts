import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import type { DefaultState, PresenceChannel, Sender } from "../../src/index.js";
import { pass, scenes, settle } from "./setup.js";

const s = scenes();
const bob = (roomId: string): Sender => ({ connId: "b", userId: "bob", roomId, ts: 1 });

/** All arguments that a channel's listeners of "chat" get. */
function heard(channel: PresenceChannel): unknown[][] {
  const list: unknown[][] = [];
  channel.on("chat", (...args) => list.push(args));
  return list;
}

describe("a server that names senders", () => {
  /** A client in the rooms one and two, and what its channels hear. */
  async function inTwoRooms() {
    const { server } = s.scene;
    server.namesSenders = true;
    const client = s.scene.client();
    const [one, two] = [await s.scene.joined({ roomId: "one" }, client), await s.scene.joined({ roomId: "two" }, client)];
    return { server, client, first: heard(one), second: heard(two) };
  }

  test("is heard by the channel of the sender's room alone, whatever the arguments are", async () => {
    const { server, client, first, second } = await inTwoRooms();
    const all: unknown[][] = [];
    const end = client.on("chat", (...args) => all.push(args));
    const forged = { connId: "a", userId: "ann", roomId: "two", ts: 9 };
    for (const args of [["six"], [], [null], [[1]], [{ roomId: "two" }], [{ x: 1 }, forged]]) server.last.emit("chat", ...args, bob("one"));
    await settle();
    const sender = bob("one");
    expect(first).toEqual([["six", sender], [sender], [null, sender], [[1], sender], [{ roomId: "two" }, sender], [{ x: 1 }, forged, sender]]);
    expect(second).toEqual([]);
    expect(all).toEqual(first);
    end();
    server.last.emit("chat", "last", bob("two"));
    await settle();
    expect([all.length, second]).toEqual([6, [["last", bob("two")]]]);
  });

  test("has none for what it sends itself: that is heard by the room in it, else by all", async () => {
    const { server, first, second } = await inTwoRooms();
    server.last.emit("chat", { roomId: "two" }, null);
    server.last.emit("chat", "all", null);
    await settle();
    expect([first, second]).toEqual([[["all", null]], [[{ roomId: "two" }, null], ["all", null]]]);
  });

  test("is asked again on every connection, and not taken at its earlier word", async () => {
    const { server } = s.scene;
    server.namesSenders = true;
    const channel = await s.scene.joined();
    const list = heard(channel);
    server.namesSenders = false; // an older one took over
    server.last.lose();
    await pass(2000);
    server.last.emit("chat", "whole");
    await settle();
    expect(list).toEqual([["whole", null]]);
    expect(server.named("presence:join").map(({ payload }) => payload.sender)).toEqual([true, true]);
  });

  test("may want an answer to its event", async () => {
    const { server } = s.scene;
    server.namesSenders = true;
    const channel = await s.scene.joined();
    channel.on("chat", (text: unknown, answer: unknown, sender: unknown) => {
      (answer as (value: unknown) => void)([text, sender]);
    });
    server.last.send('27["chat","hi",null]');
    await settle();
    expect(server.wire.at(-1)).toBe('37[["hi",null]]');
  });
});

test("the sender is what the server's fixtures say", async () => {
  const fixtures = JSON.parse(readFileSync(new URL("../../../presence/testdata/wire/senders.json", import.meta.url), "utf8")) as { roomId: string; wire: string }[];
  s.scene.server.namesSenders = true;
  for (const { roomId, wire } of fixtures) {
    const channel = await s.scene.joined({ roomId });
    const list = heard(channel);
    s.scene.server.last.send(`2["chat",1,${wire}]`);
    await settle();
    expect(list).toEqual([[1, JSON.parse(wire)]]);
  }
});

test("a server that does not know senders leaves the arguments as they are", async () => {
  const channel = await s.scene.joined();
  const list = heard(channel);
  s.scene.server.last.emit("chat", "hi", { userId: "looks like one" });
  await settle();
  expect(list).toEqual([["hi", { userId: "looks like one" }, null]]);
});

test("listeners of declared events are typed with their sender", async () => {
  interface Events {
    chat: (text: string, n: number) => void;
  }
  const channel = s.scene.client().createPresenceChannel<DefaultState, Events>();
  await channel.join({ roomId: "r", userId: "ann" });
  const end = channel.on("chat", (text, n, sender) => {
    const typed: [string, number, string | undefined] = [text, n, sender?.userId];
    expect(typed).toBeDefined();
  });
  channel.on("chat", (text) => text.length); // what is not needed is left out
  // @ts-expect-error: the sender is no number
  channel.on("chat", (text, n, sender: number) => [text, n, sender]);
  end();
});
