// A server in this process: the real socket.io-client talks to it through a
// transport of ours, so that tests decide about every packet and every moment.

import { Transport } from "engine.io-client";

import type { Refusal } from "../../src/index.js";
import type { Transports } from "../../src/types.js";

export type Json = Record<string, unknown>;

/** A request as it came over the wire. */
export interface Request {
  readonly connection: Connection;
  readonly event: string;
  readonly payload: Json;
  readonly args: unknown[];
  /** Answers it; nothing without an acknowledgement. */
  ack(answer: unknown): void;
}

interface Packet {
  type: string;
  data?: string;
}

/** The server's end of one connection. */
export class Connection {
  readonly id: string;
  auth: unknown;
  open = true;

  constructor(
    readonly server: FakeServer,
    private readonly transport: FakeTransport,
    number: number,
  ) {
    this.id = `socket-${String(number)}`;
  }

  /** Sends Socket.IO packets that arrive in one read. */
  send(...packets: string[]): void {
    for (const data of packets) this.packet({ type: "message", data });
  }

  /** Sends a Socket.IO event. */
  emit(event: string, ...args: unknown[]): void {
    this.send(`2${JSON.stringify([event, ...args])}`);
  }

  ping(): void {
    this.packet({ type: "ping" });
  }

  /** The connection is lost; the client is told unless `silently`. */
  lose(silently = false): void {
    this.open = false;
    if (!silently) this.transport.lost();
  }

  closed(): void {
    this.open = false;
  }

  receive({ type, data = "" }: Packet): void {
    if (!this.open || type !== "message") return;
    this.server.wire.push(data);
    if (typeof data !== "string") return; // an attachment
    if (data.startsWith("0")) {
      this.auth = JSON.parse(data.slice(1) || "{}");
      const { loseConnects, refuseConnect: message, refuseData } = this.server;
      if (loseConnects) this.lose();
      else this.send(message ? `4${JSON.stringify({ message, data: refuseData })}` : `0{"sid":"${this.id}"}`);
    } else if (/^[25]/.test(data)) {
      const [, number = "", json = ""] = /^(?:2|5\d+-)(\d*)(.*)$/s.exec(data) ?? [];
      const [event, ...args] = JSON.parse(json) as [string, ...unknown[]];
      const ack = (answer: unknown) => {
        if (number) this.send(`3${number}${JSON.stringify([answer])}`);
      };
      this.server.receive({ connection: this, event, payload: (args[0] ?? {}) as Json, args, ack });
    }
  }

  private packet(packet: Packet): void {
    if (this.open) this.transport.deliver(packet);
  }
}

class FakeTransport extends Transport {
  static server: FakeServer;
  #connection: Connection | undefined;

  get name(): string {
    return "fake";
  }

  override doOpen(): void {
    const { server } = this.constructor as typeof FakeTransport;
    queueMicrotask(() => {
      if (server.unreachable) {
        this.onError(server.unreachableFor, undefined, undefined);
        return;
      }
      if (server.silent) return;
      this.#connection = server.connect(this);
      this.onOpen();
      const { pingInterval, pingTimeout, maxPayload } = server;
      const handshake = { sid: "engine", upgrades: [], pingInterval, pingTimeout, maxPayload };
      this.deliver({ type: "open", data: JSON.stringify(handshake) });
    });
  }

  override write(packets: Packet[]): void {
    this.writable = false;
    for (const packet of packets) this.#connection?.receive(packet);
    queueMicrotask(() => {
      this.writable = true;
      this.emitReserved("drain");
    });
  }

  override doClose(): void {
    this.#connection?.closed();
  }

  deliver(packet: Packet): void {
    if (this.readyState === "open") this.onPacket(packet as never);
  }

  lost(): void {
    this.onClose();
  }
}

/** Members of one room, as much of them as the tests need. */
class FakeRoom {
  seq = 1000;
  readonly members = new Map<string, Json>();
  readonly sockets = new Map<Connection, string>(); // → connId
  readonly tokens = new Map<string, string>(); // → connId
}

export class FakeServer {
  /** So long that no test has to send pings. */
  pingInterval = 1e9;
  pingTimeout = 20_000;
  unreachable = false;
  unreachableFor = "unreachable"; // what Engine.IO says of it
  /** Attempts to connect are neither taken nor refused, as without a network. */
  silent = false;
  maxPayload = 1e6;
  /** Why connections are refused, if they are. */
  refuseConnect: string | undefined;
  /** What a refusal carries besides. */
  refuseData: unknown;
  /** Connections are lost as soon as a client asks to be accepted. */
  loseConnects = false;
  /** Whether custom events name their sender to those who ask; older servers do not. */
  namesSenders = false;
  readonly connections: Connection[] = [];
  /** Everything that clients sent, as text. */
  readonly wire: string[] = [];
  readonly requests: Request[] = [];
  /** The syncs of clients that miss nothing, and only say that they could ask; they are not among the requests. */
  readonly healers: Request[] = [];
  /** Answers instead of the server: `undefined` leaves it to the server, `null` leaves the request unanswered. */
  answer: (request: Request) => unknown = () => undefined;

  readonly #rooms = new Map<string, FakeRoom>();

  /** For a client's `transports`. */
  get transports(): Transports {
    const server = this;
    class Bound extends FakeTransport {
      static override server = server;
    }
    return [Bound];
  }

  get last(): Connection {
    const last = this.connections.at(-1);
    if (!last) throw new Error("nobody connected");
    return last;
  }

  /** The requests with one name. */
  named(event: string): Request[] {
    return this.requests.filter((request) => request.event === event);
  }

  room(roomId: string): FakeRoom {
    let room = this.#rooms.get(roomId);
    if (!room) this.#rooms.set(roomId, (room = new FakeRoom()));
    return room;
  }

  /** Broadcasts an event of a room, with the numbers that follow from those before. */
  broadcast(roomId: string, event: Json): Json {
    const room = this.room(roomId);
    const prev = room.seq;
    const full = { roomId, ts: Date.now(), epoch: 1, userConns: 1, prev, seq: ++room.seq, status: "online", state: {}, ...event };
    const connId = full["connId" as never] as string;
    if (full["type" as never] === "leave") room.members.delete(connId);
    else room.members.set(connId, member(full));
    for (const connection of room.sockets.keys()) connection.emit("presence:event", full);
    return full;
  }

  /** A change of a room that no client hears of. */
  missed(roomId: string, event: Json): void {
    const sockets = [...this.room(roomId).sockets];
    this.room(roomId).sockets.clear();
    this.broadcast(roomId, event);
    for (const [connection, connId] of sockets) this.room(roomId).sockets.set(connection, connId);
  }

  connect(transport: FakeTransport): Connection {
    const connection = new Connection(this, transport, this.connections.length + 1);
    this.connections.push(connection);
    return connection;
  }

  receive(request: Request): void {
    const saysThatItHeals = request.event === "presence:sync" && request.payload.seq !== undefined;
    (saysThatItHeals ? this.healers : this.requests).push(request);
    const answer = saysThatItHeals ? undefined : this.answer(request);
    if (answer === null) return;
    request.ack(answer ?? this.carryOut(request));
  }

  /** From now on answers wait: each is given when its function in the list is called. */
  holdAnswers(): (() => void)[] {
    const waiting: (() => void)[] = [];
    this.answer = (request) => {
      waiting.push(() => {
        request.ack(this.carryOut(request));
      });
      return null;
    };
    return waiting;
  }

  /** What the server does by itself. */
  carryOut({ connection, event, payload }: Request): unknown {
    const room = this.room(String(payload.roomId));
    const connId = room.sockets.get(connection);
    if (event === "presence:join") return this.#join(connection, room, payload);
    if (event === "presence:leave") {
      room.sockets.delete(connection);
      return { ok: true };
    }
    if (connId === undefined) return refusal("not_joined");
    if (event === "presence:emit") return { ok: true };
    if (event === "presence:sync" && payload.seq === room.seq) return { ok: true, seq: room.seq, unchanged: true };
    if (event === "presence:sync") return { ok: true, seq: room.seq, snapshot: [...room.members.values()] };
    const own = room.members.get(connId) ?? {};
    const { epoch } = own;
    if (Number(payload.epoch) < Number(epoch)) return { ok: true, changed: false, epoch, stale: true };
    const remove = (payload.removeState ?? []) as string[];
    if (event !== "presence:heartbeat" || (!payload.patchState && remove.length === 0)) return { ok: true, changed: false, epoch };
    const state = { ...(own.state as Json), ...(payload.patchState as Json) };
    for (const key of remove) Reflect.deleteProperty(state, key);
    this.broadcast(String(payload.roomId), { ...own, type: "update", state });
    return { ok: true, changed: true, epoch, seq: room.seq };
  }

  #join(connection: Connection, room: FakeRoom, payload: Json): unknown {
    const { userId, resume, roomId } = payload;
    const resumed = room.tokens.get(String(resume));
    const connId = resumed ?? connection.id;
    const old = room.members.get(connId);
    const epoch = Number(old?.epoch ?? 0) + 1;
    const token = `token-${connId}`;
    room.tokens.set(token, connId);
    for (const [other, id] of room.sockets) if (id === connId) room.sockets.delete(other);
    if (old && resumed) {
      room.members.set(connId, { ...old, epoch, state: payload.keepState ? old.state : (payload.state ?? old.state) });
    } else {
      this.broadcast(String(roomId), { type: "join", connId, userId, epoch, state: payload.state ?? {} });
    }
    room.sockets.set(connection, connId);
    const self = { connId, epoch, graceMs: payload.graceMs, resume: token };
    const sender = this.namesSenders && payload.sender === true ? { sender: true } : {};
    return { ok: true, snapshot: [...room.members.values()], self, seq: room.seq, resumed: resumed !== undefined, ...sender };
  }
}

export function refusal(code: string, more: Partial<Refusal> = {}): Json {
  return { ok: false, error: `Refused: ${code}.`, code, ...more };
}

function member(event: Json): Json {
  const { connId, userId, state, epoch, status, ts } = event;
  return { connId, userId, state, epoch, status, joinedMs: ts, lastSeenMs: ts };
}
