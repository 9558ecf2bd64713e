// A Redis whose port is closed for half a minute.

import { test } from 'node:test';

import { surviveOutage } from '../lib/outage.mjs';
import { describeProxied } from '../lib/proxied.mjs';

const REFUSED_MS = 30_000;

describeProxied('Redis cannot be reached: connections are refused', { nodes: 2 }, (stack) => {
  test('nobody is reported gone who is not', (t) =>
    surviveOutage(t, stack, { ms: REFUSED_MS, begin: () => stack.proxy.refuse(), end: () => stack.proxy.accept() }));
});
