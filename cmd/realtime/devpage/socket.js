// A small Socket.IO client over one native WebSocket: enough for this page.
// Real applications use socket.io-client.

const engine = { open: '0', close: '1', ping: '2', pong: '3', message: '4' };
const packet = { connect: '0', disconnect: '1', event: '2', ack: '3', connectError: '4' };

/** Emits DOM events: `connect`, `disconnect`, and `event` with detail {name, args}. */
export class Socket extends EventTarget {
  #url;
  #ws;
  #acks = new Map();
  #nextAck = 0;
  #silence; // fires when the server misses its ping
  #patience; // how long that may take, in ms
  #failures = 0;
  #retry;

  connected = false;
  id = '';

  constructor(origin = location.origin) {
    super();
    this.#url = `${origin.replace(/^http/, 'ws')}/socket.io/?EIO=4&transport=websocket`;
    this.open();
  }

  /** Connects now; harmless when already connecting. */
  open() {
    clearTimeout(this.#retry);
    if (this.#ws) return;
    const ws = new WebSocket(this.#url);
    this.#ws = ws;
    ws.onmessage = ({ data }) => this.#receive(data);
    ws.onclose = () => this.#lost(ws);
  }

  /** Sends an event; resolves with the first argument of its acknowledgement. */
  request(name, ...args) {
    if (!this.connected) return Promise.reject(new Error('not connected'));
    const id = this.#nextAck++;
    this.#write(packet.event + id + JSON.stringify([name, ...args]));
    return new Promise((resolve, reject) => this.#acks.set(id, { resolve, reject }));
  }

  #write(text) {
    this.#ws.send(engine.message + text);
  }

  #receive(data) {
    const rest = data.slice(1);
    switch (data[0]) {
      case engine.open: {
        const { pingInterval, pingTimeout } = JSON.parse(rest);
        this.#patience = pingInterval + pingTimeout;
        this.#watch();
        this.#write(packet.connect);
        break;
      }
      case engine.ping:
        this.#ws.send(engine.pong);
        this.#watch();
        break;
      case engine.close:
        this.#ws.close();
        break;
      case engine.message:
        this.#packet(rest);
    }
  }

  #packet(text) {
    const [, type, id, body] = /^(\d)(\d*)(.*)$/s.exec(text);
    const content = body ? JSON.parse(body) : undefined;
    switch (type) {
      case packet.connect:
        this.id = content.sid;
        this.connected = true;
        this.#failures = 0;
        this.#tell('connect');
        break;
      case packet.event:
        this.#tell('event', { name: content[0], args: content.slice(1) });
        break;
      case packet.ack:
        this.#acks.get(Number(id))?.resolve(content[0]);
        this.#acks.delete(Number(id));
        break;
      case packet.disconnect:
      case packet.connectError:
        this.#ws.close();
    }
  }

  #watch() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(this.#ws), this.#patience);
  }

  #lost(ws) {
    if (ws !== this.#ws) return;
    clearTimeout(this.#silence);
    ws.onclose = ws.onmessage = null;
    ws.close();
    this.#ws = undefined;
    this.connected = false;
    for (const { reject } of this.#acks.values()) reject(new Error('connection lost'));
    this.#acks.clear();
    this.#tell('disconnect');
    const delay = Math.min(5000, 250 * 2 ** this.#failures++) * (0.5 + Math.random());
    this.#retry = setTimeout(() => this.open(), delay);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
