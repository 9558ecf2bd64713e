// Vue wraps what it is given in proxies, which cannot read private members.

import { effect, reactive, ref, shallowRef } from "@vue/reactivity";
import { expect, test } from "vitest";

import { pass, scenes, settle } from "./setup.js";

const s = scenes();

test("a channel and a client work inside of Vue's reactive objects", async () => {
  const made = s.scene.client();
  const store = reactive({ client: made, channel: made.createPresenceChannel() });
  const held = ref(store.channel);
  await store.channel.join({ roomId: "r", userId: "ann", state: { a: 1 } });
  expect([held.value.status, reactive(store.channel).self?.state, store.client.isConnected()]).toEqual(["joined", { a: 1 }, true]);
  store.channel.stop();
  expect(held.value.status).toBe("stopped");
});

test("a snapshot in a shallowRef follows the room", async () => {
  const channel = await s.scene.joined();
  const room = shallowRef(channel.getSnapshot());
  const end = channel.subscribe(() => {
    room.value = channel.getSnapshot();
  });
  const seen: number[] = [];
  effect(() => seen.push(room.value.members.size));
  s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
  await settle();
  end();
  s.scene.server.broadcast("r", { type: "join", connId: "c", userId: "cid" });
  await pass(1);
  expect(seen).toEqual([1, 2]);
});
