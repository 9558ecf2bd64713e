// What the compiler accepts; the compiler checks it (npm run check:types).

import { expect, test } from "vitest";

import type { DefaultState, PresenceChannel } from "../../src/index.js";
import type { UpdateState } from "../../src/react.js";

interface Person {
  name: string;
  mood?: "fine" | "bad";
  note?: string | undefined;
}

declare const channel: PresenceChannel<Person>;
declare const loose: PresenceChannel<DefaultState>;
declare const update: UpdateState<Person>;
declare const partial: Partial<Person>;
declare const maybe: string | undefined;
declare const anything: unknown;

/** Never called. */
export function patches(): void {
  void channel.updateState({ name: "a", mood: "fine" });
  void channel.updateState({});
  void channel.updateState(partial);
  void channel.updateState({ ...(maybe !== undefined && { name: maybe }) });
  void channel.sendHeartbeat();
  void channel.sendHeartbeat({ patchState: { mood: "bad" } });
  void channel.deleteState(["mood"]);
  void update({ name: "b" });
  void loose.updateState({ any: 1, deep: { a: [null] }, some: anything });
  void loose.deleteState(["any"]);
  void loose.updateState(JSON.parse("{}") as DefaultState);

  // @ts-expect-error: undefined cannot be sent
  void channel.updateState({ name: undefined });
  // @ts-expect-error: undefined cannot be sent
  void channel.updateState({ note: undefined });
  // @ts-expect-error: undefined cannot be sent
  void channel.updateState({ name: maybe });
  // @ts-expect-error: undefined cannot be sent
  void channel.sendHeartbeat({ patchState: { mood: undefined } });
  // @ts-expect-error: undefined cannot be sent
  void update({ note: undefined });
  // @ts-expect-error: undefined cannot be sent
  void loose.updateState({ any: undefined });
  // @ts-expect-error: no key of the state
  void channel.updateState({ name: "a", nmae: "b" });
  // @ts-expect-error: no mood of a person
  void channel.updateState({ mood: "worse" });
  // @ts-expect-error: no key of the state
  void channel.deleteState(["nmae"]);
}

test("patches are checked by the compiler", () => {
  expect(patches).toBeTypeOf("function");
});
