// Custom events on their way out: bounded, paced, never larger than the server
// takes, and nobody loses one without being told.

import { describe, expect, test } from "vitest";

import type { RealtimeError } from "../../src/index.js";
import { refusal, type Request } from "./fake-server.js";
import { pass, scenes, settle, told } from "./setup.js";

const s = scenes();

/** The events that the server was asked to relay. */
const relayed = () => s.scene.server.named("presence:emit").map(({ payload }) => (payload.args as unknown[])[0]);
const codeOf = (error: unknown) => (error as RealtimeError).code;
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

describe("events of a room", () => {
  test.each([["a string", "six"], ["null", null], ["an array", [1]], ["a class instance", new (class Point { x = 1; })()], ["an object with a roomId", { roomId: "other" }]])(
    "go to their room whatever they carry: %s",
    async (_, value) => {
      const channel = await s.scene.joined({ roomId: "one" });
      channel.emit("chat:x", value);
      await channel.emitWithAck("chat:y", value);
      channel.volatile.emit("chat:z", value);
      await settle();
      const sent = JSON.parse(JSON.stringify(value)) as unknown;
      expect(s.scene.server.named("presence:emit").map(({ args }) => args)).toEqual([
        [{ roomId: "one", event: "chat:x", args: [sent] }],
        [{ roomId: "one", event: "chat:y", args: [sent] }],
        [{ roomId: "one", event: "chat:z", args: [sent], volatile: true }],
      ]);
    },
  );

  test("5000 made offline: as many as the bound are sent, in order, and whoever made the others is told", async () => {
    const channel = await s.scene.joined();
    const errors = told<RealtimeError>(channel, "error");
    s.scene.server.last.lose();
    for (const n of numbers(5000)) channel.emit("chat:x", n);
    await settle();
    expect([errors.length, new Set(errors.map(({ code }) => code))]).toEqual([4000, new Set(["outbox_full"])]);
    await expect(channel.emitWithAck("chat:x", 5000)).rejects.toMatchObject({ code: "outbox_full" });
    await pass(5000);
    expect(relayed()).toEqual(numbers(1000));
    expect(errors).toHaveLength(4000);
  });

  test("large ones are bounded by their bytes; one larger than that waits alone", async () => {
    const channel = await s.scene.joined();
    const errors = told<RealtimeError>(channel, "error");
    s.scene.server.last.lose();
    for (let n = 0; n < 10; n++) channel.emit("chat:x", "x".repeat(200_000));
    await settle();
    expect(errors.map(({ code }) => code)).toEqual(Array(5).fill("outbox_full"));
    await pass(5000);
    expect(relayed()).toHaveLength(5);
    s.scene.server.maxPayload = 1e7;
    s.scene.server.last.lose();
    await pass(5000);
    s.scene.server.last.lose();
    channel.emit("chat:x", "x".repeat(2_000_000));
    await pass(5000);
    expect(relayed()).toHaveLength(6);
  });

  test("what has waited is not sent as one burst, but as answers come", async () => {
    const channel = await s.scene.joined();
    const unanswered: Request[] = [];
    s.scene.server.answer = (request) => (request.event === "presence:emit" ? (unanswered.push(request), null) : undefined);
    s.scene.server.last.lose();
    for (const n of numbers(100)) channel.emit("chat:x", n);
    await pass(2000);
    expect(unanswered).toHaveLength(32);
    for (const request of unanswered.splice(0, 10)) request.ack({ ok: true });
    await settle();
    expect([unanswered.length, relayed().length]).toEqual([32, 42]);
    for (let round = 0; round < 5; round++) {
      for (const request of unanswered.splice(0)) request.ack({ ok: true });
      await settle();
    }
    expect(relayed()).toEqual(numbers(100));
  });

  test("one that the server refuses, or that is lost on its way, is told", async () => {
    const channel = await s.scene.joined();
    const errors = told<RealtimeError>(channel, "error");
    s.scene.server.answer = ({ event, payload }) => {
      if (event !== "presence:emit") return undefined;
      return payload.event === "lost" ? null : refusal("unknown_event");
    };
    const answered: unknown[] = [];
    channel.emit("chat:x", 1);
    channel.emit("chat:x", 2, (answer: unknown) => answered.push(answer));
    channel.emit("lost", 3);
    await expect(channel.emitWithAck("chat:x", 4)).rejects.toMatchObject({ code: "unknown_event" });
    s.scene.server.last.lose();
    await settle();
    expect([errors.map(({ code }) => code), answered]).toEqual([["unknown_event", "unknown_event", "disconnected"], []]);
  });

  test("what waits when the room is left is told", async () => {
    const channel = await s.scene.joined();
    const errors = told<RealtimeError>(channel, "error");
    s.scene.server.last.lose();
    channel.emit("chat:x", 1);
    void channel.leave();
    await pass(5000);
    expect([errors.map(({ code }) => code), relayed()]).toEqual([["left"], []]);
  });

  test("a timeout that ran out while it waited frees its place, and nothing is sent", async () => {
    const channel = await s.scene.joined();
    s.scene.server.last.lose();
    const late = numbers(1000).map((n) => channel.timeout(10).emitWithAck("chat:x", n).catch(codeOf));
    await pass(10);
    expect(new Set(await Promise.all(late))).toEqual(new Set(["timeout"]));
    channel.emit("chat:x", "now");
    await pass(2000);
    expect(relayed()).toEqual(["now"]);
  });

  test("arguments that JSON cannot hold are refused, and stop nothing", async () => {
    const channel = await s.scene.joined();
    const errors = told<RealtimeError>(channel, "error");
    s.scene.server.last.lose();
    channel.emit("chat:x", { n: 1n });
    await expect(channel.emitWithAck("chat:x", 1n)).rejects.toMatchObject({ code: "invalid_payload" });
    const grows: Record<string, unknown> = {};
    channel.emit("chat:x", grows);
    grows.self = grows; // after it was taken
    channel.emit("chat:x", "after");
    await pass(2000);
    expect([channel.status, relayed()]).toEqual(["joined", ["after"]]);
    expect(errors.map(({ code }) => code)).toEqual(["invalid_payload", "invalid_payload"]);
  });
});

describe("volatile events", () => {
  test("made at 60 Hz while offline are dropped, and the next ones are sent", async () => {
    const channel = await s.scene.joined();
    const errors = told(channel, "error");
    s.scene.server.unreachable = true;
    s.scene.server.last.lose();
    for (let frame = 0; frame < 300; frame++) {
      expect(channel.volatile.emit("cursor", { frame })).toBe(false);
      await pass(16);
    }
    s.scene.server.unreachable = false;
    await pass(10_000);
    expect([channel.status, relayed()]).toEqual(["joined", []]);
    expect(channel.volatile.emit("cursor", { frame: 300 })).toBe(true);
    await settle();
    expect(relayed()).toEqual([{ frame: 300 }]);
    expect(errors.filter((error) => (error as RealtimeError).code === "outbox_full")).toEqual([]);
  });

  test("are dropped behind a backlog, and behind events that wait", async () => {
    const channel = await s.scene.joined();
    const sent = numbers(1000).filter((n) => channel.volatile.emit("cursor", n));
    expect(sent.length).toBeLessThan(40);
    await settle();
    expect(relayed()).toEqual(sent);
    s.scene.server.answer = ({ event }) => (event === "presence:emit" ? null : undefined);
    for (const n of numbers(33)) channel.emit("chat:x", n);
    await settle();
    expect(channel.volatile.emit("cursor", 1)).toBe(false);
  });

  test("that are too large, or no JSON, are told", async () => {
    const channel = await s.scene.joined();
    const errors = told<RealtimeError>(channel, "error");
    expect(channel.volatile.emit("cursor", "x".repeat(1_000_000))).toBe(false);
    expect(channel.volatile.emit("cursor", 1n)).toBe(false);
    expect(errors.map(({ code }) => code)).toEqual(["message_too_large", "invalid_payload"]);
  });
});

describe("events of the connection", () => {
  test("made offline are bounded too, and whoever made the others is told", async () => {
    const client = s.scene.client();
    const errors: RealtimeError[] = [];
    client.on("error", (error) => errors.push(error));
    const answer = client.emitWithAck("vote", -1).catch((error: unknown) => error);
    for (const n of numbers(5000)) client.emit("vote", n);
    await expect(client.emitWithAck("vote", 5000)).rejects.toMatchObject({ code: "outbox_full" });
    expect([errors.length, errors[0]?.code]).toEqual([4001, "outbox_full"]);
    expect(client.volatile.emit("vote", 1)).toBe(false);
    s.scene.server.answer = () => "counted";
    client.connect();
    await pass(1000);
    expect(s.scene.server.named("vote").map(({ args }) => args[0])).toEqual([-1, ...numbers(999)]);
    expect(await answer).toBe("counted");
    expect(client.volatile.emit("vote", "now")).toBe(true);
  });

  test("a handler that never answers holds up nobody", async () => {
    const client = s.scene.client();
    client.connect();
    await settle();
    s.scene.server.answer = () => null;
    for (const n of numbers(100)) client.emitWithAck("vote", n).catch(() => undefined);
    await settle();
    expect(s.scene.server.named("vote")).toHaveLength(100);
  });

  test("what waits is given up when the client is disconnected, or cannot connect", async () => {
    for (const options of [{}, { reconnection: false }]) {
      const client = s.scene.client(options);
      const answer = expect(client.emitWithAck("vote", 1)).rejects.toMatchObject({ code: "disconnected" });
      s.scene.server.unreachable = true;
      client.connect();
      await settle();
      if (!("reconnection" in options)) client.disconnect();
      await answer;
    }
  });
});

describe("what is larger than the server takes", () => {
  const large = "x".repeat(1_100_000);

  test("a patch is refused before it is sent", async () => {
    const channel = await s.scene.joined({ state: { a: 1 } });
    const errors = told<RealtimeError>(channel, "error");
    await expect(channel.updateState({ blob: large })).rejects.toMatchObject({ code: "state_too_large" });
    expect([errors.map(({ code }) => code), channel.self?.state]).toEqual([["state_too_large"], { a: 1 }]);
    expect(await channel.updateState({ a: 2 })).toMatchObject({ changed: true });
    await pass(60_000);
    expect(s.scene.server.connections).toHaveLength(1);
    expect(s.scene.server.wire.every((packet) => packet.length < 1e6)).toBe(true);
  });

  test("the state of a join is refused, and the join ends", async () => {
    const join = s.scene.client().joinRoom({ roomId: "r", userId: "ann", state: { blob: large } });
    await expect(join).rejects.toMatchObject({ code: "state_too_large" });
    await pass(60_000);
    expect([s.scene.server.connections.length, s.scene.server.named("presence:join").length]).toEqual([1, 0]);
  });

  test.each(["one of them alone", "all of them together"])("patches made offline are refused, the join is not: %s", async (kind) => {
    const channel = await s.scene.joined({ state: { a: 1 } });
    s.scene.server.last.lose();
    const patches = kind === "one of them alone" ? [{ blob: large }] : numbers(12).map((n) => ({ [`k${n}`]: "x".repeat(100_000) }));
    const outcomes = patches.map((patch) => channel.updateState(patch).catch(codeOf));
    await pass(60_000);
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(["state_too_large"]));
    expect([channel.status, channel.self?.state, s.scene.server.connections.length]).toEqual(["joined", { a: 1 }, 2]);
  });

  test.each([
    ["text", large],
    ["text that takes three bytes a letter", "€".repeat(334_000)],
    ["text that takes four bytes a letter", "😀".repeat(250_100)],
    ["text that JSON escapes", "\u0001".repeat(170_000)],
    ["an attachment", new Uint8Array(1_000_000)],
    ["attachments together", [new Uint8Array(500_000), { deep: new Uint8Array(500_000).buffer }]],
  ])("an event is refused: %s", async (_, value) => {
    const client = s.scene.client();
    const channel = await s.scene.joined({}, client);
    const errors = told<RealtimeError>(channel, "error");
    channel.emit("chat:x", value);
    await expect(channel.emitWithAck("chat:x", value)).rejects.toMatchObject({ code: "message_too_large" });
    await expect(client.emitWithAck("vote", value)).rejects.toMatchObject({ code: "message_too_large" });
    expect(errors.map(({ code }) => code)).toEqual(["message_too_large"]);
    await pass(30_000);
    expect([channel.status, s.scene.server.connections.length]).toEqual(["joined", 1]);
    expect(relayed()).toEqual([]);
  });

  test.each([
    ["text", "x".repeat(999_000)],
    ["text that takes three bytes a letter", "€".repeat(333_000)],
    ["text that takes four bytes a letter", "😀".repeat(249_900)],
  ])("what just fits is sent: %s", async (_, value) => {
    const channel = await s.scene.joined();
    expect(await channel.emitWithAck("chat:x", value)).toEqual({ ok: true });
    expect(s.scene.server.wire.every((packet) => Buffer.byteLength(packet) < 1e6)).toBe(true);
  });

  test("an event made before the limit was known is refused when it would be sent", async () => {
    s.scene.server.maxPayload = 2000;
    const channel = s.scene.client().createPresenceChannel();
    void channel.join({ roomId: "r", userId: "ann" });
    const answers = [channel.emitWithAck("chat:x", "x".repeat(2000)), channel.emitWithAck("chat:x", "small")].map((answer) => answer.catch(codeOf));
    await settle();
    expect(await Promise.all(answers)).toEqual(["message_too_large", { ok: true }]);
    expect(s.scene.server.connections).toHaveLength(1);
  });
});
