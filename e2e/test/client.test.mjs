// The client for browsers that the server hands out: that of the npm package,
// in the version that these tests use (make client renews it).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { Server } from '../lib/server.mjs';

const dist = new URL('../node_modules/socket.io-client/dist/', import.meta.url);

let server;
before(async () => (server = await Server.start('dev')));
after(() => server.stop());

for (const [name, file] of [
  ['socket.io.js', 'socket.io.min.js'],
  ['socket.io.min.js', 'socket.io.min.js'],
  ['socket.io.esm.min.js', 'socket.io.esm.min.js'],
]) {
  test(`${name} is ${file} of the package`, async () => {
    const url = `${server.url}/socket.io/${name}`;
    const response = await fetch(url);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type'), /javascript/);
    assert.ok((await response.text()) === readFileSync(new URL(file, dist), 'utf8'), 'it differs: run make client');
    const again = await fetch(url, { headers: { 'if-none-match': response.headers.get('etag') } });
    assert.equal(again.status, 304);
  });
}

test('the licence is that of the package', () => {
  const text = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
  assert.equal(text('../../socketio/client/LICENSE'), text('../node_modules/socket.io-client/LICENSE'));
});
