// A network that swallows all between the nodes and Redis for half a minute.

import { test } from 'node:test';

import { surviveOutage } from '../lib/outage.mjs';
import { describeProxied } from '../lib/proxied.mjs';

const UNREACHABLE_MS = 30_000;

describeProxied('Redis cannot be reached: nothing is answered', { nodes: 2 }, (stack) => {
  test('nobody is reported gone who is not', (t) =>
    surviveOutage(t, stack, { ms: UNREACHABLE_MS, begin: () => stack.proxy.silence(), end: () => stack.proxy.speak() }));
});
