// What stands before several servers in production: each new connection goes to
// the next one that says it is ready.

import { Proxy } from './proxy.mjs';

/**
 * @param {() => import('./server.mjs').Server[]} nodes the servers of the moment
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export async function startBalancer(nodes) {
  let turn = 0;
  const proxy = await Proxy.start(async () => {
    const list = nodes();
    for (let i = 0; i < list.length; i++) {
      const node = list[turn++ % list.length];
      if (await isReady(node.url)) return Number(new URL(node.url).port);
    }
    return undefined;
  });
  return { url: `http://127.0.0.1:${proxy.port}`, stop: () => proxy.stop() };
}

async function isReady(url) {
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1000) });
    return answer.ok;
  } catch {
    return false;
  }
}
