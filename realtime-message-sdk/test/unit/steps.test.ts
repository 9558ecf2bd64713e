// What listeners do in the middle of something, and what is left of a room that was left.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { describe, expect, test, vi } from "vitest";

import type { PresenceChannel } from "../../src/index.js";
import { refusal } from "./fake-server.js";
import { pass, scenes, settle, told } from "./setup.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const s = scenes();

/** Everything that a channel tells, with the status that it then has. */
function diary(channel: PresenceChannel): string[] {
  const list: string[] = [];
  for (const name of ["connected", "reconnecting", "snapshot", "membersChanged", "error"] as const) channel.on(name, () => list.push(`${name} ${channel.status}`));
  channel.on("disconnected", ({ reason, willReconnect }) => list.push(`disconnected ${reason} ${String(willReconnect)} ${channel.status}`));
  return list;
}

describe("a listener that acts in the middle of a step", () => {
  test("leaves as it is told of joining: nothing is joined", async () => {
    const channel = s.scene.client().createPresenceChannel();
    const end = channel.subscribe(() => {
      end();
      void channel.leave();
    });
    await expect(channel.join({ roomId: "r", userId: "ann" })).rejects.toMatchObject({ code: "left" });
    await pass(5000);
    expect([channel.status, channel.members.size]).toEqual(["idle", 0]);
    const { server } = s.scene;
    expect(server.room("r").sockets.size).toBe(0);
  });

  test("leaves as it is told of having joined: what follows comes after it, and events do not go out", async () => {
    const channel = s.scene.client().createPresenceChannel();
    const list = diary(channel);
    const end = channel.subscribe(() => {
      if (channel.status !== "joined") return;
      end();
      void channel.leave();
    });
    await channel.join({ roomId: "r", userId: "ann" });
    await settle();
    expect(list).toEqual(["snapshot idle", "membersChanged idle", "connected idle", "disconnected leave false idle"]);
    expect(() => {
      channel.emit("chat");
    }).toThrow("in no room");
    expect(s.scene.server.requests.map(({ event }) => event)).toEqual(["presence:join", "presence:leave"]);
  });

  test("every listener hears things in the order in which they happened", async () => {
    const channel = await s.scene.joined();
    const heard: string[] = [];
    channel.on("presenceEvent", () => void channel.leave());
    channel.on("disconnected", () => heard.push("disconnected"));
    channel.on("presenceEvent", () => heard.push("presenceEvent"));
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
    await settle();
    expect(heard).toEqual(["presenceEvent", "disconnected"]);
  });

  test("joins another room as it is told of the end: that is the next thing, not the same", async () => {
    const channel = await s.scene.joined();
    const list = diary(channel);
    const end = channel.on("disconnected", () => {
      end();
      void channel.join({ roomId: "r2", userId: "ann" });
    });
    await channel.leave();
    await settle();
    expect(list.filter((line) => !line.startsWith("m"))).toEqual(["disconnected leave false idle", "snapshot joined", "connected joined"]);
    expect(s.scene.server.requests.slice(1).map(({ event, payload }) => `${event} ${String(payload.roomId)}`)).toEqual(["presence:leave r", "presence:join r2"]);
  });

  test("joins the same room again as it is told of the end: the leave goes out first", async () => {
    const channel = await s.scene.joined();
    const end = channel.subscribe(() => {
      if (channel.status !== "idle") return;
      end();
      void channel.join({ roomId: "r", userId: "ann" });
    });
    await channel.leave();
    await settle();
    expect(channel.status).toBe("joined");
    expect(s.scene.server.requests.map(({ event }) => event)).toEqual(["presence:join", "presence:leave", "presence:join"]);
  });

  test("leaves as it is told of a loss: the loss is told first, and nothing is joined again", async () => {
    const channel = await s.scene.joined();
    const list = diary(channel);
    channel.subscribe(() => {
      if (channel.status === "reconnecting") void channel.leave();
    });
    s.scene.server.last.lose();
    await pass(5000);
    expect(list.filter((line) => line.startsWith("d"))).toEqual(["disconnected connection true idle", "disconnected leave false idle"]);
    expect(s.scene.server.named("presence:join")).toHaveLength(1);
  });

  test("patches as it is told of a patch: both arrive, in order", async () => {
    const channel = await s.scene.joined();
    let again = true;
    channel.subscribe((own) => {
      if (own && again) void ((again = false), channel.updateState({ n: 2 }));
    });
    await channel.updateState({ n: 1 });
    await settle();
    expect(channel.self?.state).toEqual({ n: 2 });
    expect(s.scene.server.named("presence:heartbeat").map(({ payload }) => payload.patchState)).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("stops as it is told of something: the others still hear of it, and of the end", async () => {
    const channel = await s.scene.joined();
    channel.on("presenceEvent", () => {
      channel.stop();
    });
    const list = diary(channel);
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
    await settle();
    expect(list).toEqual(["membersChanged stopped", "disconnected leave false stopped"]);
  });

  test("a subscriber that throws disturbs nobody", async () => {
    const channel = await s.scene.joined();
    const thrown: unknown[] = [];
    process.once("uncaughtException", (error) => thrown.push(error));
    const end = channel.subscribe(() => {
      throw new Error("mine");
    });
    let calls = 0;
    channel.subscribe(() => calls++);
    const changes = told(channel, "membersChanged");
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
    await settle();
    end();
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve));
    vi.useFakeTimers();
    expect([calls, changes.length, thrown]).toEqual([1, 1, [new Error("mine")]]);
  });
});

describe("listeners", () => {
  test("one function that listens twice is let go of once at a time", async () => {
    const channel = await s.scene.joined();
    let calls = 0;
    const listener = () => calls++;
    const ends = [channel.subscribe(listener), channel.subscribe(listener)];
    channel.on("presenceEvent", listener);
    const end = channel.on("presenceEvent", listener);
    ends[0]?.();
    ends[0]?.();
    end();
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
    await settle();
    expect(calls).toBe(2);
  });

  test("who is removed by another listener is not called any more", async () => {
    const channel = await s.scene.joined();
    const heard: string[] = [];
    channel.on("presenceEvent", () => {
      end();
    });
    const end = channel.on("presenceEvent", () => heard.push("removed"));
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
    await settle();
    expect(heard).toEqual([]);
  });
});

describe("a room that was left", () => {
  test.each([
    ["leave", undefined],
    ["a refused join", refusal("forbidden")],
  ])("leaves nothing behind: %s", async (_, answer) => {
    const client = s.scene.client();
    await s.scene.joined({ roomId: "stays" }, client);
    if (answer) s.scene.server.answer = ({ event }) => (event === "presence:join" ? answer : undefined);
    const gone: WeakRef<object>[] = [];
    for (let n = 0; n < 50; n++) {
      const channel = client.createPresenceChannel();
      gone.push(new WeakRef(channel));
      await channel.join({ roomId: `room ${n}`, userId: "ann" }).catch(() => undefined);
      await channel.leave();
    }
    s.scene.server.requests.length = s.scene.server.wire.length = 0;
    s.scene.server.answer = () => undefined;
    vi.useRealTimers();
    for (let n = 0; n < 10; n++) {
      await new Promise((resolve) => setTimeout(resolve));
      collectGarbage();
    }
    vi.useFakeTimers();
    expect(gone.filter((ref) => ref.deref()).length).toBeLessThan(3); // the last may be on the stack
  });
});
