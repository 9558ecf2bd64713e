// The wire of a stock socket.io-client.

import { io } from 'socket.io-client';

import { within } from './wait.mjs';

/** The three ways in which clients connect. */
export const TRANSPORTS = {
  'polling, then upgrade': {},
  'polling only': { transports: ['polling'] },
  'websocket only': { transports: ['websocket'] },
};

export class SocketIOWire {
  /**
   * @param {string} url
   * @param {Partial<import('socket.io-client').ManagerOptions & import('socket.io-client').SocketOptions>} [options]
   */
  static async connect(url, options = {}) {
    const socket = io(url, { forceNew: true, reconnection: false, ...options });
    const connected = new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    await within('socket.io-client connects', connected);
    return new SocketIOWire(socket);
  }

  constructor(socket) {
    this.socket = socket;
    this.id = socket.id;
    this.transportId = socket.io.engine.id;
    this.closeReason = undefined;
    socket.on('disconnect', (reason) => (this.closeReason = reason));
  }

  /** @param {(name: string, args: unknown[]) => void} listener */
  onEvent(listener) {
    this.socket.onAny((name, ...args) => listener(name, args));
  }

  /** @param {(...args: unknown[]) => void} [ack] called while the packet is read */
  emit(name, args, ack) {
    if (ack) this.socket.emit(name, ...args, ack);
    else this.socket.emit(name, ...args);
  }

  get open() {
    return this.socket.connected;
  }

  /** Leaves with a Socket.IO disconnect packet. */
  disconnect() {
    this.socket.disconnect();
  }

  /** Whether terminate works: not while polling. */
  get canTerminate() {
    return this.socket.io.engine?.transport?.name === 'websocket';
  }

  /** Cuts the connection under the transport. Needs the WebSocket transport. */
  terminate() {
    this.socket.io.engine.transport.ws.terminate();
  }
}
