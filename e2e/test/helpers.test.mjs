// The helpers that judge the server, judged themselves.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { MemberMap } from '../lib/members.mjs';
import { Stay, eventFault } from '../lib/stay.mjs';

const event = (seq, more = {}) => ({
  type: 'join',
  roomId: 'r',
  userId: 'u',
  connId: `c${seq}`,
  state: {},
  ts: 1,
  epoch: 1,
  seq,
  prev: seq - 1,
  userConns: 1,
  status: 'online',
  ...more,
});
const joined = (seq) => ({ ok: true, seq, snapshot: [event(seq)], self: { connId: `c${seq}`, epoch: 1 } });

describe('MemberMap', () => {
  function joinedMap(seq) {
    const syncs = [];
    const map = new MemberMap((at) => {
      syncs.push(at);
      map.hold();
    });
    map.hold();
    map.release(joined(seq));
    return { map, syncs };
  }

  test('holds events back while a join is in flight', () => {
    const map = new MemberMap(() => assert.fail('no gap here'));
    map.hold();
    for (const seq of [4, 5, 6, 7]) map.handle(event(seq));
    assert.equal(map.members.size, 0);
    map.release(joined(5));
    assert.deepEqual([...map.members.keys()], ['c5', 'c6', 'c7']);
    assert.equal(map.seq, 7);
  });

  test('asks for a sync at a gap, and drops what the sync covers', () => {
    const { map, syncs } = joinedMap(5);
    map.handle(event(8));
    map.handle(event(9));
    assert.deepEqual(syncs, [5]);
    assert.equal(map.seq, 5);
    map.release({ ok: true, seq: 8, snapshot: [event(1), event(8)] });
    assert.deepEqual([...map.members.keys()], ['c1', 'c8', 'c9']);
    assert.deepEqual(syncs, [5]);
  });

  test('takes a folded event for no gap', () => {
    const { map, syncs } = joinedMap(5);
    map.handle(event(9, { prev: 5 }));
    map.handle(event(10, { type: 'leave', connId: 'c9', prev: 9 }));
    assert.deepEqual([...map.members.keys()], ['c5']);
    assert.deepEqual(syncs, []);
  });
});

describe('Stay', () => {
  function faultsOf(...events) {
    const stay = new Stay('r', joined(5));
    for (const item of events) stay.handle(item);
    return stay.faults.length;
  }

  test('accepts what the protocol allows', () => {
    assert.equal(faultsOf(event(5), event(6), event(9, { prev: 6 })), 0);
    assert.equal(faultsOf(event(7, { prev: 4 })), 0);
  });

  test('finds duplicates, regressions and untrue prevs', () => {
    assert.equal(faultsOf(event(6), event(6)), 1);
    assert.equal(faultsOf(event(7, { prev: 5 }), event(6)), 1);
    assert.equal(faultsOf(event(4)), 1);
    assert.equal(faultsOf(event(5, { connId: 'other' })), 1);
    assert.equal(faultsOf(event(6), event(8, { prev: 7 })), 1);
    assert.equal(faultsOf(event(6), event(8, { prev: 5 })), 1);
    assert.equal(faultsOf(event(8, { prev: 7 })), 1);
  });

  test('finds fields that are wrong, missing or too many', () => {
    assert.equal(eventFault(event(1)), undefined);
    assert.ok(eventFault(event(1, { type: 'other' })));
    assert.ok(eventFault(event(1, { reason: 'leave' })));
    assert.ok(eventFault(event(1, { state: null })));
    assert.ok(eventFault(event(1, { status: 'gone' })));
    assert.ok(eventFault(event(1, { userConns: 0 })));
    assert.ok(eventFault(event(1, { epoch: 0 })));
    assert.ok(eventFault(event(1, { prev: 1 })));
    const { status, ...leave } = event(1, { type: 'leave', state: null, userConns: 0, reason: 'timeout' });
    assert.equal(eventFault(leave), undefined);
    assert.ok(eventFault({ ...leave, reason: 'bored' }));
    assert.ok(eventFault({ ...leave, state: {} }));
  });
});
