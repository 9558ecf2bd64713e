import { Emitter } from "./emitter.js";
import { isTransient, RealtimeError, refusalError } from "./errors.js";
import type { Link } from "./link.js";
import { Liveness } from "./liveness.js";
import { Outbox } from "./outbox.js";
import { saveToken, takeToken, tokenKey } from "./page.js";
import { PatchQueue } from "./patches.js";
import type { DefaultState, HeartbeatResponse, JoinResponse, Member, PresenceEvent, Refusal, SyncResponse } from "./protocol.js";
import { Replica } from "./replica.js";
import { Retry } from "./retry.js";
import type {
  ChannelEvents,
  ChannelListener,
  ChannelStatus,
  DefaultEvents,
  DisconnectReason,
  EmitArgs,
  EventAck,
  EventArgs,
  EventNames,
  JoinParams,
  PresenceOptions,
  RoomSnapshot,
  TimedEmitter,
  User,
} from "./types.js";
import { RoomView } from "./view.js";

const OWN_EVENTS: ReadonlySet<string> = new Set<keyof ChannelEvents>([
  "connected",
  "disconnected",
  "reconnecting",
  "snapshot",
  "presenceEvent",
  "heartbeatAck",
  "membersChanged",
  "error",
]);

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

/**
 * A membership in one room, and the members of that room. It joins again
 * after every loss, sends heartbeats, closes gaps, and keeps `members` as the
 * server has them. Made by `RealtimeClient.createPresenceChannel`.
 */
export class PresenceChannel<S extends object = DefaultState, E extends object = DefaultEvents> {
  readonly #link: Link;
  readonly #options: Required<PresenceOptions>;
  readonly #detach: () => void;
  readonly #emitter = new Emitter();
  readonly #subscribers = new Set<() => void>();
  readonly #replica = new Replica<S>();
  readonly #patches = new PatchQueue();
  readonly #retry = new Retry();
  readonly #liveness: Liveness;
  readonly #outbox: Outbox;

  #status: ChannelStatus = "idle";
  #want: JoinParams<S> | undefined; // what to be a member as, as long as that is wanted
  #joining: Deferred<JoinResponse<S>> | undefined;
  #connId = "";
  #epoch = 0;
  #token: string | undefined;
  #state: S | undefined; // the own state as last heard from the server
  #session = 0; // answers to requests of an earlier one mean nothing any more
  #syncing = false;
  #fenced = false; // the membership was lost, and nothing has shown yet that its successor holds
  #beat: Deferred<HeartbeatResponse> | undefined; // the heartbeat in flight
  #snapshot: RoomView<S> | undefined; // the last one handed out, while it is true

  /** @internal */
  constructor(link: Link, options: Required<PresenceOptions>) {
    this.#link = link;
    this.#options = options;
    this.#outbox = new Outbox(link.socket);
    this.#liveness = new Liveness({
      intervalMs: options.heartbeatIntervalMs,
      ackTimeoutMs: options.heartbeatAckTimeoutMs,
      maxMissed: options.maxMissedHeartbeats,
      beat: () => {
        if (this.#status === "joined") void this.#heartbeat();
      },
      dead: () => {
        link.logger.warn?.("no answer to heartbeats: reconnecting");
        link.reset();
      },
    });
    this.#detach = link.attach({
      up: () => {
        this.#join();
      },
      down: (reason) => {
        this.#down(reason);
      },
      attempt: (attempt) => {
        if (this.#status === "reconnecting") this.#tell("reconnecting", { attempt });
      },
      heard: (event, args) => {
        this.#heard(event, args);
      },
      refused: (error) => {
        if (this.#want) this.#tell("error", error);
      },
      hide: () => {
        this.#hide();
      },
      show: () => {
        if (this.#want) this.#token = this.#takeToken(this.#want) ?? this.#token;
      },
      wake: () => {
        if (this.#status === "joined") this.#liveness.probe();
      },
    });
  }

  /** Where the channel stands. */
  get status(): ChannelStatus {
    return this.#status;
  }

  /** The room's members by connId. Empty while in no room; the last known ones while reconnecting. */
  get members(): ReadonlyMap<string, Member<S>> {
    return this.getSnapshot().members;
  }

  /** The room's users by userId, each with its connections. */
  get users(): ReadonlyMap<string, User<S>> {
    return this.getSnapshot().users;
  }

  /** The own member, with patches that are on their way. */
  get self(): Member<S> | undefined {
    return this.getSnapshot().self;
  }

  /** Everything at one moment. The same object until something is different; an arrow function, so that it can be passed on. */
  readonly getSnapshot = (): RoomSnapshot<S> => {
    return (this.#snapshot ??= this.#view());
  };

  /** Calls the listener after every change of `getSnapshot()`; returns what ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#subscribers.add(listener);
    return () => {
      this.#subscribers.delete(listener);
    };
  };

  /**
   * Joins a room, connecting the client if need be, and stays in it until
   * `leave` or `stop`. Resolves once joined, however long that takes;
   * rejects with a RealtimeError if the server refuses for good, or when left before.
   */
  join(params: JoinParams<S>): Promise<JoinResponse<S>> {
    const rooms = this.#link.rooms;
    if (this.#status === "stopped") return Promise.reject(new RealtimeError("left", "The channel was stopped: create another."));
    if (this.#want || rooms.has(params.roomId)) {
      return Promise.reject(new RealtimeError("in_use", "This channel, or another of its client, is in a room already: leave it first."));
    }
    rooms.add(params.roomId);
    this.#want = params.state ? { ...params, state: asSent(params.state) } : params;
    this.#token = this.#takeToken(params);
    this.#joining = deferred();
    const { promise } = this.#joining;
    this.#become("joining");
    if (this.#link.socket.connected) this.#join();
    else this.#link.open();
    return promise;
  }

  /**
   * Changes keys of the own state: each replaces the old value whole. Seen at
   * once in `self` and `members`. What is changed while offline, or faster than answers come,
   * is sent together. Resolves when the server has it; rejects if it refuses it for good.
   */
  updateState(patch: Partial<S>): Promise<HeartbeatResponse> {
    if (!this.#want) return Promise.reject(this.#notJoined());
    const promise = this.#patches.add(asSent(patch));
    this.#flush();
    this.#changed();
    const { self } = this;
    if (self) this.#tell("membersChanged", { joined: [], updated: [self], left: [] });
    return promise;
  }

  /**
   * Sends a heartbeat now; there is seldom a need to, as the channel does by itself.
   * With `patchState` it is `updateState`. Rejects with `disconnected` if the connection is lost before the answer.
   */
  sendHeartbeat(options?: { readonly patchState?: Partial<S> }): Promise<HeartbeatResponse> {
    if (options?.patchState) return this.updateState(options.patchState);
    if (this.#status !== "joined") return Promise.reject(this.#notJoined());
    return this.#heartbeat();
  }

  /** Leaves the room. Resolves when the server knows, or cannot be told. The channel can join again. */
  async leave(): Promise<void> {
    const roomId = this.#want?.roomId;
    const told = this.#status !== "idle" && this.#link.socket.connected;
    this.#end("leave", new RealtimeError("left", "The channel left the room."));
    if (roomId === undefined || !told) return;
    const emitter = this.#link.socket.timeout(this.#options.heartbeatAckTimeoutMs);
    await emitter.emitWithAck("presence:leave", { roomId }).catch(() => undefined);
  }

  /** Leaves without waiting and lets go of every listener and timer. The channel is of no use afterwards. */
  stop(): void {
    if (this.#status === "stopped") return;
    void this.leave();
    this.#become("stopped");
    this.#detach();
    this.#emitter.clear();
    this.#subscribers.clear();
  }

  /** Listens to an event of the channel, or to a custom event of its room. Returns what ends that. */
  on<K extends keyof ChannelEvents<S> | EventNames<E>>(event: K, listener: ChannelListener<S, E, K>): () => void {
    return this.#emitter.on(event, listener as (...args: never[]) => void);
  }

  /** Ends what `on` began. */
  off<K extends keyof ChannelEvents<S> | EventNames<E>>(event: K, listener: ChannelListener<S, E, K>): void {
    this.#emitter.off(event, listener as (...args: never[]) => void);
  }

  /**
   * Sends a custom event to this room: an object as first argument gets the
   * `roomId` that the server relays by. While the channel is not joined it
   * waits. A function given last is called with the acknowledgement.
   */
  emit<K extends EventNames<E>>(event: K, ...args: EmitArgs<E, K>): void {
    const list: unknown[] = [...args];
    const last = list.at(-1);
    if (typeof last !== "function") {
      this.#send(event, list);
      return;
    }
    list.pop();
    this.#send(event, list, (error, response) => {
      if (!error) (last as (response: unknown) => void)(response);
    });
  }

  /** Sends a custom event and resolves with its acknowledgement; rejects when the connection is lost before. */
  emitWithAck<K extends EventNames<E>>(event: K, ...args: EventArgs<E, K>): Promise<EventAck<E, K>> {
    return this.#sendForAck(event, args);
  }

  /** Emits whose acknowledgement must come within `ms`, waiting for the connection included. */
  timeout(ms: number): TimedEmitter<E> {
    return {
      emit: (event, ...args) => {
        const list: unknown[] = [...args];
        const settle = list.pop() as (error: Error | null, response?: unknown) => void;
        this.#send(event, list, settle, ms);
      },
      emitWithAck: (event, ...args) => this.#sendForAck(event, args, ms),
    };
  }

  // --- Becoming a member ---

  #join(): void {
    const want = this.#want;
    if (!want) return;
    this.#newSession();
    this.#replica.hold();
    // With a state to begin from, patches travel in the join itself.
    const base = this.#state ?? want.state;
    const state = base && this.#patches.over(base);
    if (base) this.#patches.next();
    const payload = {
      roomId: want.roomId,
      userId: want.userId,
      graceMs: this.#options.graceMs,
      ...(this.#token !== undefined && { resume: this.#token }),
      ...(state && { state }),
    };
    this.#request<JoinResponse<S>>("presence:join", payload, (answer) => {
      if (answer.ok) this.#joined(answer);
      else this.#notTaken(answer);
    });
  }

  #joined(answer: JoinResponse<S>): void {
    const { connId, epoch, resume } = answer.self;
    this.#connId = connId;
    this.#epoch = epoch;
    this.#token = resume;
    this.#status = "joined";
    if (!this.#fenced) this.#retry.reset();
    this.#patches.accept({ ok: true, changed: true, epoch, seq: answer.seq });
    const applied = this.#replica.load(answer.seq, answer.snapshot);
    this.#joining?.resolve(answer);
    this.#joining = undefined;
    this.#settle(applied, answer.snapshot);
    this.#tell("connected", answer);
    this.#outbox.open();
    this.#flush();
  }

  /** A join was refused. */
  #notTaken(refusal: Refusal): void {
    const error = refusalError(refusal);
    if (isTransient(refusal)) {
      this.#patches.undo();
      this.#again(error);
    } else if (refusal.code === "state_too_large" && this.#patches.pending) {
      this.#patches.refuse(error); // without them the state was not too large
      this.#tell("error", error);
      this.#join();
    } else {
      this.#tell("error", error);
      this.#end("refused", error);
    }
  }

  /** Does what is due once more, a little later. */
  #again(error: RealtimeError): void {
    this.#link.logger.warn?.(`trying again: ${error.message}`);
    this.#tell("error", error);
    this.#retry.later(() => {
      if (!this.#link.socket.connected) return;
      if (this.#status !== "joined") this.#join();
      else if (this.#replica.gap) this.#sync();
      else this.#flush();
    }, error.retryAfterMs);
  }

  // --- Ceasing to be one ---

  #down(reason: "connection" | "kicked" | "leave"): void {
    if (!this.#want) return;
    if (reason !== "connection") {
      this.#end(reason, new RealtimeError("left", reason === "kicked" ? "The server ended the connection." : "The client disconnected."));
      return;
    }
    this.#newSession();
    this.#liveness.stop();
    this.#retry.cancel();
    this.#replica.drop();
    this.#lose(reason);
  }

  /** The server says that this connection is no member. Another join makes it one: at once the first time, later the next. */
  #removed(reason: DisconnectReason): void {
    this.#newSession();
    // A membership that is gone cannot be resumed, and one that was resumed elsewhere is not to be taken back.
    this.#token = undefined;
    this.#lose(reason);
    this.#tell("reconnecting", { attempt: this.#retry.attempts + 1 });
    if (this.#fenced) {
      this.#again(new RealtimeError("not_joined", `The membership was lost again (${reason}).`));
    } else {
      this.#fenced = true;
      this.#join();
    }
  }

  #lose(reason: DisconnectReason): void {
    if (this.#status !== "joined") return;
    this.#outbox.close();
    this.#become("reconnecting");
    this.#tell("disconnected", { reason, willReconnect: this.#link.reconnects });
  }

  /** The membership is over and does not come back by itself. */
  #end(reason: DisconnectReason, error: RealtimeError): void {
    if (!this.#want) return;
    const was = this.#status;
    this.#link.rooms.delete(this.#want.roomId);
    this.#newSession();
    this.#want = this.#token = this.#state = undefined;
    this.#connId = "";
    this.#fenced = false;
    this.#liveness.stop();
    this.#retry.reset();
    this.#patches.clear(error);
    this.#outbox.clear(error);
    this.#replica.clear();
    this.#joining?.reject(error);
    this.#joining = undefined;
    this.#status = "idle";
    this.#changed();
    if (was !== "joining") this.#tell("disconnected", { reason, willReconnect: false });
  }

  // --- Being one ---

  #heard(event: string, args: unknown[]): void {
    const roomId = this.#want?.roomId;
    if (roomId === undefined) return;
    const first = args[0] as { roomId?: unknown } | null | undefined;
    if (event === this.#options.presenceEventName) {
      if (first?.roomId === roomId) this.#settle(this.#replica.receive(first as PresenceEvent<S>));
    } else if (!OWN_EVENTS.has(event) && (first?.roomId ?? roomId) === roomId) {
      this.#emitter.emit(event, ...args);
    }
  }

  /** After the replica took something in: tells of it, and does what it asks for. */
  #settle(applied: readonly PresenceEvent<S>[], snapshot?: readonly Member<S>[]): void {
    const session = this.#session;
    this.#patches.seen(this.#replica.seq);
    this.#state = this.#replica.get(this.#connId)?.state ?? this.#state;
    const change = this.#replica.takeChange();
    if (change || snapshot) this.#changed();
    if (snapshot) this.#tell("snapshot", this.members);
    for (const event of applied) this.#tell("presenceEvent", event);
    if (change) this.#tell("membersChanged", change);
    if (session !== this.#session) return; // a listener left, say
    for (const event of applied) {
      if (event.type !== "leave" || event.connId !== this.#connId || this.#replica.get(this.#connId)) continue;
      if (event.reason === "kicked") this.#end("kicked", new RealtimeError("left", "The server removed this member from the room."));
      else this.#removed(event.reason);
      return;
    }
    if (this.#replica.gap && !this.#retry.pending) this.#sync();
  }

  #sync(): void {
    if (this.#syncing || !this.#want) return;
    this.#syncing = true;
    const { seq } = this.#replica;
    const payload = { roomId: this.#want.roomId, ...(this.#retry.attempts === 0 && { seq }) };
    this.#request<SyncResponse<S>>("presence:sync", payload, (answer) => {
      this.#syncing = false;
      if (answer.ok) {
        const snapshot = "snapshot" in answer ? answer.snapshot : undefined;
        const applied = this.#replica.load(answer.seq, snapshot);
        if (this.#replica.gap) this.#again(new RealtimeError("internal", "The server's answer did not close the gap."));
        else this.#retry.reset();
        this.#settle(applied, snapshot);
        this.#flush();
      } else if (answer.code === "not_joined") {
        this.#removed("not_joined");
      } else {
        this.#again(refusalError(answer));
      }
    });
  }

  /** A heartbeat without a patch; one at a time. */
  #heartbeat(): Promise<HeartbeatResponse> {
    if (this.#beat) return this.#beat.promise;
    const beat = (this.#beat = deferred());
    this.#heartbeatRequest({}, (answer) => {
      if (this.#beat === beat) this.#beat = undefined;
      if (answer.ok) {
        beat.resolve(answer);
      } else {
        const error = refusalError(answer);
        beat.reject(error);
        this.#tell("error", error);
      }
    });
    return beat.promise;
  }

  /** Sends the patches that wait, unless some are in flight. */
  #flush(): void {
    if (this.#status !== "joined" || this.#retry.pending) return;
    const patchState = this.#patches.next();
    if (!patchState) return;
    this.#heartbeatRequest({ patchState }, (answer) => {
      if (answer.ok) {
        this.#retry.reset();
        this.#patches.accept(answer);
        this.#patches.seen(this.#replica.seq);
      } else if (isTransient(answer)) {
        this.#patches.undo();
        this.#again(refusalError(answer));
      } else {
        this.#patches.refuse(refusalError(answer));
        this.#tell("error", refusalError(answer));
      }
      this.#changed();
      this.#flush();
    });
  }

  #heartbeatRequest(more: { patchState?: object }, handle: (answer: HeartbeatResponse | Refusal) => void): void {
    const sent = Date.now();
    const roomId = this.#want?.roomId;
    this.#request<HeartbeatResponse>("presence:heartbeat", { roomId, epoch: this.#epoch, ...more }, (answer) => {
      if (answer.ok && !answer.stale) {
        this.#fenced = false;
        this.#tell("heartbeatAck", { ...answer, latencyMs: Date.now() - sent });
        handle(answer);
      } else if (answer.ok || answer.code === "not_joined") {
        this.#removed(answer.ok ? "stale" : "not_joined");
      } else {
        handle(answer);
      }
    });
  }

  /** Sends a request whose answer counts only in this session. */
  #request<T>(event: string, payload: object, handle: (answer: T | Refusal) => void): void {
    const session = this.#session;
    this.#liveness.sent();
    this.#link.socket.emit(event, payload, (answer: T | Refusal) => {
      if (session !== this.#session) return;
      this.#liveness.heard();
      handle(answer);
    });
  }

  /** What is in flight is not waited for any more. */
  #newSession(): void {
    this.#session++;
    this.#syncing = false;
    this.#retry.cancel();
    this.#patches.undo();
    this.#beat?.reject(new RealtimeError("disconnected", "The connection was lost before the heartbeat was answered."));
    this.#beat = undefined;
  }

  // --- The page ---

  #hide(): void {
    const want = this.#want;
    if (!want) return;
    if (this.#token !== undefined) saveToken(tokenKey(want.roomId, want.userId, this.#options.resumeKey), this.#token);
    if (this.#status !== "joined" || !this.#link.socket.connected) return;
    // The page may never run again: what waits goes now, and nobody waits for answers.
    this.#patches.undo();
    const patchState = this.#patches.next();
    if (patchState) this.#link.socket.emit("presence:heartbeat", { roomId: want.roomId, epoch: this.#epoch, patchState });
    this.#link.socket.emit("presence:leave", { roomId: want.roomId, graceMs: this.#options.pageGraceMs });
  }

  #takeToken({ roomId, userId }: JoinParams<S>): string | undefined {
    return takeToken(tokenKey(roomId, userId, this.#options.resumeKey));
  }

  // --- Telling ---

  #send(event: string, args: unknown[], settle?: (error: Error | null, response?: unknown) => void, ms?: number): void {
    if (!this.#want) throw this.#notJoined();
    this.#outbox.send(event, inRoom(args, this.#want.roomId), settle, ms);
  }

  #sendForAck<T>(event: string, args: unknown[], ms?: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null, response?: unknown) => {
        if (error) reject(error);
        else resolve(response as T);
      };
      this.#send(event, args, settle, ms);
    });
  }

  #tell<K extends keyof ChannelEvents<S>>(event: K, ...args: Parameters<ChannelEvents<S>[K]>): void {
    this.#emitter.emit(event, ...args);
  }

  #become(status: ChannelStatus): void {
    this.#status = status;
    this.#changed();
  }

  #changed(): void {
    this.#snapshot = undefined;
    for (const listener of [...this.#subscribers]) listener();
  }

  #view(): RoomView<S> {
    const { members } = this.#replica;
    const own = members.get(this.#connId);
    const state = own && this.#patches.over(own.state);
    if (!own || state === own.state) return new RoomView(this.#status, members, own);
    const self = { ...own, state: state as S };
    return new RoomView(this.#status, new Map(members).set(this.#connId, self), self);
  }

  #notJoined(): RealtimeError {
    return new RealtimeError("not_joined", "The channel is not in a room: join one first.");
  }
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => undefined); // who does not look at it is told by the error event
  return { promise, resolve, reject };
}

/** A value as the wire carries it, and a copy that nobody changes. */
function asSent<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** The arguments with the room in the first, if that is a plain object without one. */
function inRoom(args: unknown[], roomId: string): unknown[] {
  const [first, ...rest] = args;
  if (typeof first !== "object" || first === null || "roomId" in first) return args;
  const prototype: unknown = Object.getPrototypeOf(first);
  return prototype === Object.prototype || prototype === null ? [{ ...first, roomId }, ...rest] : args;
}
