// Members who change their state all the time, and what each of them must see
// once nobody does any more.

import assert from 'node:assert/strict';

import { freshRoom } from './stack.mjs';
import { sleep, until } from './wait.mjs';

/** How often a member changes its state. */
const PACE_MS = 50;
/** How long the members that can resume stay when the test has ended. */
const GRACE_MS = 1000;
/** Within what time all maps must agree. */
export const AGREE_MS = 10_000;

export class Crowd {
  /** @type {{ client: import('./client.mjs').Client, roomId: string, n: number }[]} */ members = [];
  #talking = false;
  #talks = [];

  /**
   * Members join rooms through the nodes of a stack in turn, some with
   * socket.io-client, some able to resume.
   * @param {import('./stack.mjs').Stack} stack
   */
  static async join(stack, { rooms, members }) {
    const crowd = new Crowd();
    for (let r = 0; r < rooms; r++) {
      const roomId = freshRoom();
      for (let i = 0; i < members; i++) {
        const node = i % stack.nodes.length;
        const client = i % 3 === 0 ? await stack.connect('websocket only', node) : await stack.connectRaw({}, node);
        const graceMs = i % 2 === 0 ? 0 : GRACE_MS;
        const ack = await client.join(roomId, `user-${r}-${i}`, { state: { n: 0 }, graceMs });
        assert.equal(ack.ok, true, JSON.stringify(ack));
        crowd.members.push({ client, roomId, n: 0 });
      }
    }
    return crowd;
  }

  get rooms() {
    return [...new Set(this.members.map(({ roomId }) => roomId))];
  }

  /** Everybody changes its state, until quiet. */
  talk() {
    this.#talking = true;
    this.#talks = this.members.map(async (member, i) => {
      await sleep((PACE_MS * i) / this.members.length);
      for (; this.#talking; await sleep(PACE_MS)) await this.#say(member);
    });
  }

  async quiet() {
    this.#talking = false;
    await Promise.all(this.#talks);
  }

  /**
   * Waits until everybody's state can be changed, and everybody sees the same
   * members with the states that were acknowledged last. Nobody may have left.
   */
  async agree() {
    await this.quiet();
    const begun = Date.now();
    const left = () => AGREE_MS - (Date.now() - begun);
    await Promise.all(
      this.members.map((member) => until('a change of state is acknowledged', () => this.#say(member), left())),
    );
    await until('all see the same', () => this.members.every((member) => this.#misses(member) === ''), left()).catch(
      (error) => {
        const misses = this.members.map((member) => this.#misses(member)).filter(Boolean);
        throw new Error(`${error.message}: ${misses.slice(0, 5).join('; ')}`);
      },
    );
    const gone = this.members.flatMap(({ client }) => client.events.filter((event) => event.type === 'leave'));
    assert.deepEqual(gone, [], 'nobody has left');
  }

  /** Changes a member's state; false when that is refused for now. */
  async #say(member) {
    const n = member.n + 1;
    const ack = await member.client.patch(member.roomId, { n });
    if (!ack.ok) {
      assert.equal(ack.code, 'unavailable', JSON.stringify(ack));
      return false;
    }
    member.n = n;
    return true;
  }

  /** What a member's map lacks, or has too much. */
  #misses({ client, roomId }) {
    const map = client.map(roomId);
    const here = this.members.filter((member) => member.roomId === roomId);
    if (map.members.size !== here.length) return `${client.id} sees ${map.members.size} members of ${here.length}`;
    for (const other of here) {
      const seen = map.members.get(other.client.id);
      if (seen?.state.n !== other.n) return `${client.id} sees ${seen?.state.n} of ${other.client.id}, not ${other.n}`;
    }
    return '';
  }
}
