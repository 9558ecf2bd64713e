import type { Emitter } from "./emitter.js";
import { isTransient, RealtimeError, refusalError } from "./errors.js";
import type { Link, LinkHooks, Loss } from "./link.js";
import { Liveness } from "./liveness.js";
import type { PresenceSettings } from "./options.js";
import { Outbox } from "./outbox.js";
import { swapToken, tokenKey } from "./page.js";
import { PatchQueue } from "./patches.js";
import type { HeartbeatResponse, JoinResponse, PresenceEvent, Refusal, SyncResponse } from "./protocol.js";
import { Replica } from "./replica.js";
import { Retry } from "./retry.js";
import type { ChannelEvents, ChannelStatus, DisconnectReason, JoinParams, RoomSnapshot } from "./types.js";
import { roomView } from "./view.js";
import { Wire } from "./wire.js";

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

interface Answers<S extends object> {
  "presence:join": JoinResponse<S>;
  "presence:heartbeat": HeartbeatResponse;
  "presence:sync": SyncResponse<S>;
}

/**
 * What is behind a channel: it becomes a member, stays one over every loss,
 * and keeps the replica. Its requests and the client's news move it from one
 * status to another.
 */
export class Membership<S extends object> implements LinkHooks {
  readonly outbox: Outbox;
  status: ChannelStatus = "idle";

  readonly #link: Link;
  readonly #options: PresenceSettings;
  readonly #emitter: Emitter;
  readonly #changed: () => void;
  readonly #replica = new Replica<S>();
  readonly #patches = new PatchQueue();
  readonly #retry = new Retry();
  readonly #liveness: Liveness;

  #want: JoinParams<S> | undefined; // what to be a member as, as long as that is wanted
  #joining: { resolve: (response: JoinResponse<S>) => void; reject: (error: Error) => void } | undefined;
  #connId = "";
  #epoch = 0;
  #token: string | undefined;
  #state: S | undefined; // the own state as last heard from the server
  #session = 0; // answers to requests of an earlier one mean nothing any more
  #syncing = false; // a sync is under way, or waits to be tried again
  #fenced = false; // the membership was lost, and nothing has shown yet that its successor holds

  /** Tells events to the emitter, and calls `changed` after every change of `view()`. */
  constructor(link: Link, options: PresenceSettings, emitter: Emitter, changed: () => void) {
    this.#link = link;
    this.#options = options;
    this.#emitter = emitter;
    this.#changed = changed;
    const { connection } = link;
    const lost = (error: RealtimeError) => {
      this.#tell("error", error);
    };
    this.outbox = new Outbox(new Wire(connection, lost, () => this.roomId));
    const beat = () => {
      if (this.status !== "joined") return;
      this.#patches.undo(); // one that was not answered in time is sent again
      void this.beat();
    };
    const dead = () => {
      connection.socket.io.engine.close(); // not a leave: the client reconnects
    };
    this.#liveness = new Liveness(options, beat, dead);
  }

  /** The room that the channel is in, or wants to be in. */
  get roomId(): string | undefined {
    return this.#want?.roomId;
  }

  /** The room as it is now. */
  view(): RoomSnapshot<S> {
    const { members } = this.#replica;
    const own = members.get(this.#connId);
    const state = own && this.#patches.over(own.state);
    if (!own || state === own.state) return roomView(this.status, members, own);
    const self = { ...own, state: state as S };
    return roomView(this.status, new Map(members).set(this.#connId, self), self);
  }

  join(params: JoinParams<S>): Promise<JoinResponse<S>> {
    const { rooms, connection } = this.#link;
    const promise = new Promise<JoinResponse<S>>((resolve, reject) => {
      if (this.status === "stopped") {
        reject(left("stopped"));
        return;
      }
      if (this.#want || rooms.has(params.roomId)) {
        reject(new RealtimeError("in_use", "The channel or client is in a room already."));
        return;
      }
      this.#want = params.state ? { ...params, state: asSent(params.state) } : params;
      rooms.add(params.roomId);
      this.#joining = { resolve, reject };
      this.show();
      this.#become("joining");
      if (connection.socket.connected) this.up();
      else this.#link.open();
    });
    promise.catch(() => undefined); // who does not look at it is told by the error event
    return promise;
  }

  /** Sends a heartbeat, when one can be sent. */
  beat(patch?: object): Promise<HeartbeatResponse> {
    if (!this.#want) return Promise.reject(notJoined());
    const promise = this.#patches.add(patch && asSent(patch));
    this.#flush();
    if (patch) this.#changed();
    return promise;
  }

  async leave(): Promise<void> {
    const { roomId } = this;
    this.#end("leave");
    const { socket } = this.#link.connection;
    if (roomId === undefined || !socket.connected) return;
    await socket.emitWithAck("presence:leave", { roomId }).catch(() => undefined);
  }

  /** Leaves for good. */
  stop(): void {
    void this.leave();
    this.#become("stopped");
  }

  // --- Becoming a member ---

  up(): void {
    const want = this.#want;
    if (!want) return;
    this.#newSession();
    // With a state to begin from, patches travel in the join itself.
    const base = this.#state ?? want.state;
    const state = base && this.#patches.over(base);
    if (base) this.#patches.next();
    const { roomId, userId } = want;
    const payload = { roomId, userId, graceMs: this.#options.graceMs, resume: this.#token, state };
    this.#request("presence:join", payload, (answer) => {
      if (answer.ok) this.#joined(answer);
      else this.#notTaken(answer);
    });
  }

  #joined(answer: JoinResponse<S>): void {
    const { connId, epoch, resume } = answer.self;
    this.#connId = connId;
    this.#epoch = epoch;
    this.#token = resume;
    this.status = "joined";
    if (!this.#fenced) this.#retry.reset();
    this.#patches.accept({ ok: true, changed: true, epoch, seq: answer.seq });
    this.#joining?.resolve(answer); // the first time; later it does nothing
    this.#settle(this.#replica.load(answer.seq, answer.snapshot), true);
    this.#tell("connected", answer);
    this.outbox.open();
    this.#flush();
  }

  /** A join was refused. */
  #notTaken(refusal: Refusal): void {
    const error = refusalError(refusal);
    if (isTransient(refusal)) {
      this.#again(error);
    } else if (refusal.code === "state_too_large" && this.#patches.sent) {
      this.#patches.refuse(error); // without them the state was not too large
      this.#tell("error", error);
      this.up();
    } else {
      this.refused(error, true);
    }
  }

  /** Does what is due once more, a little later. */
  #again(error: RealtimeError): void {
    this.#tell("error", error);
    this.#retry.later(() => {
      if (this.status !== "joined") this.up();
      else if (this.#replica.gap) this.#sync();
      else this.#flush();
    }, error.retryAfterMs);
  }

  // --- Ceasing to be one ---

  down(loss: Loss): void {
    if (loss === "connection") {
      this.#newSession();
      this.#lose(loss);
    } else {
      this.#end(loss);
    }
  }

  /** The server says that this connection is no member. Another join makes it one: at once the first time, later the next. */
  #removed(reason: DisconnectReason): void {
    if (reason === "kicked") {
      this.down(reason);
      return;
    }
    this.#newSession();
    // A membership that is gone cannot be resumed, and one that was resumed elsewhere is not to be taken back.
    this.#token = undefined;
    this.#lose(reason);
    this.attempt(this.#retry.attempts + 1);
    if (this.#fenced) {
      this.#again(new RealtimeError("not_joined", "The membership was lost again."));
    } else {
      this.#fenced = true;
      this.up();
    }
  }

  #lose(reason: DisconnectReason): void {
    if (this.status !== "joined") return;
    this.outbox.close();
    this.#become("reconnecting");
    this.#tell("disconnected", { reason, willReconnect: this.#link.connection.reconnects });
  }

  /** The membership is over and does not come back by itself. */
  #end(reason: DisconnectReason, error = left(reason)): void {
    if (!this.#want) return;
    const was = this.status;
    this.#link.rooms.delete(this.#want.roomId);
    this.#newSession();
    this.#want = this.#token = this.#state = undefined;
    this.#connId = "";
    this.#fenced = false;
    this.#retry.reset();
    this.#patches.clear(error);
    this.outbox.clear(error);
    this.#replica.clear();
    this.#joining?.reject(error);
    this.status = "idle";
    this.#changed();
    if (was !== "joining") this.#tell("disconnected", { reason, willReconnect: false });
  }

  // --- Being one ---

  heard(event: string, args: unknown[]): void {
    const { roomId } = this;
    if (roomId === undefined) return;
    const first = args[0] as { roomId?: unknown } | null | undefined;
    if (event === this.#options.presenceEventName) {
      if (first?.roomId === roomId) this.#settle(this.#replica.receive(first as PresenceEvent<S>));
    } else if (!OWN_EVENTS.has(event) && (first?.roomId ?? roomId) === roomId) {
      this.#emitter.emit(event, ...args);
    }
  }

  /** After the replica took something in: tells of it, and does what it asks for. */
  #settle(applied: readonly PresenceEvent<S>[], loaded = false): void {
    const session = this.#session;
    this.#patches.seen(this.#replica.seq);
    this.#state = this.#replica.get(this.#connId)?.state ?? this.#state;
    const change = this.#replica.takeChange();
    if (change || loaded) this.#changed();
    if (loaded) this.#tell("snapshot", this.view().members);
    for (const event of applied) this.#tell("presenceEvent", event);
    if (change) this.#tell("membersChanged", change);
    if (session !== this.#session) return; // a listener left, say
    const own = applied.find((event) => event.type === "leave" && event.connId === this.#connId);
    if (own?.type === "leave") this.#removed(own.reason);
    else if (this.#replica.gap && !this.#syncing) this.#sync();
  }

  #sync(): void {
    this.#syncing = true;
    this.#request("presence:sync", { roomId: this.roomId }, (answer) => {
      if (!answer.ok) {
        if (answer.code === "not_joined") this.#removed("not_joined");
        else this.#again(refusalError(answer));
        return;
      }
      const applied = this.#replica.load(answer.seq, answer.snapshot);
      this.#syncing = this.#replica.gap;
      if (this.#syncing) this.#again(new RealtimeError("internal", "A gap is left"));
      else this.#retry.reset();
      this.#settle(applied, true);
      this.#flush();
    });
  }

  /** Sends the heartbeat that waits, unless one is in flight. */
  #flush(): void {
    if (this.status !== "joined" || this.#retry.timer) return;
    const next = this.#patches.next();
    if (!next) return;
    const sent = Date.now();
    this.#request("presence:heartbeat", this.#heartbeat(next.patch), (answer) => {
      const lost = lossIn(answer);
      if (lost) {
        this.#removed(lost);
        return;
      }
      if (next !== this.#patches.sent) return; // it was sent again meanwhile
      if (answer.ok) {
        this.#fenced = false;
        this.#retry.reset();
        this.#patches.accept(answer);
        this.#patches.seen(this.#replica.seq);
        this.#tell("heartbeatAck", { ...answer, latencyMs: Date.now() - sent });
      } else if (isTransient(answer)) {
        this.#patches.undo();
        this.#again(refusalError(answer));
      } else {
        this.#patches.refuse(refusalError(answer));
        this.#tell("error", refusalError(answer));
      }
      if (next.patch) this.#changed();
      this.#flush();
    });
  }

  #heartbeat(patchState?: object): object {
    return { roomId: this.roomId, epoch: this.#epoch, patchState };
  }

  /** Sends a request whose answer counts only in this session. One that is too large for the connection is refused here, as the server would. */
  #request<K extends keyof Answers<S>>(event: K, payload: object, handle: (answer: Answers<S>[K] | Refusal) => void): void {
    const { connection } = this.#link;
    const session = this.#session;
    const answered = (answer: Answers<S>[K] | Refusal) => {
      if (session !== this.#session) return;
      connection.unanswered.delete(this);
      handle(answer);
    };
    const refusal = connection.tooLarge(event, payload);
    if (refusal) {
      queueMicrotask(() => {
        answered(refusal);
      });
      return;
    }
    if (event !== "presence:heartbeat") connection.unanswered.add(this);
    this.#liveness.sent();
    connection.socket.emit(event, payload, (answer: Answers<S>[K] | Refusal) => {
      if (session === this.#session) this.#liveness.heard();
      answered(answer);
    });
  }

  /** What is in flight is not waited for any more. */
  #newSession(): void {
    this.#session++;
    this.#link.connection.unanswered.delete(this);
    this.#syncing = false;
    this.#retry.cancel();
    this.#liveness.stop();
    this.#replica.hold();
    this.#patches.undo();
  }

  // --- The page ---

  hide(): void {
    const want = this.#want;
    if (!want) return;
    swapToken(this.#tokenKey(want), this.#token);
    if (this.status !== "joined") return;
    // The page may never run again: what waits goes now, and nobody waits for answers.
    this.#patches.undo();
    const next = this.#patches.next();
    const { connection } = this.#link;
    const heartbeat = next && this.#heartbeat(next.patch);
    if (heartbeat && !connection.tooLarge("presence:heartbeat", heartbeat)) connection.socket.emit("presence:heartbeat", heartbeat);
    connection.socket.emit("presence:leave", { roomId: want.roomId, graceMs: this.#options.pageGraceMs });
  }

  show(): void {
    if (this.#want) this.#token = swapToken(this.#tokenKey(this.#want)) ?? this.#token;
  }

  wake(): void {
    if (this.status === "joined") this.#liveness.probe();
  }

  #tokenKey({ roomId, userId }: JoinParams<S>): string {
    return tokenKey(roomId, userId, this.#options.resumeKey);
  }

  // --- Telling ---

  attempt(attempt: number): void {
    if (this.status === "reconnecting") this.#tell("reconnecting", { attempt });
  }

  refused(error: RealtimeError, forGood: boolean): void {
    if (!this.#want) return;
    this.#tell("error", error);
    if (forGood) this.#end("refused", error);
  }

  #tell<K extends keyof ChannelEvents<S>>(event: K, ...args: Parameters<ChannelEvents<S>[K]>): void {
    this.#emitter.emit(event, ...args);
  }

  #become(status: ChannelStatus): void {
    this.status = status;
    this.#changed();
  }
}

/** The error of what needs a room. */
export function notJoined(): RealtimeError {
  return new RealtimeError("not_joined", "The channel is in no room.");
}

/** What a heartbeat's answer says about the membership: undefined while it stands. */
function lossIn(answer: HeartbeatResponse | Refusal): "stale" | "not_joined" | undefined {
  if (answer.ok) return answer.stale ? "stale" : undefined;
  return answer.code === "not_joined" ? "not_joined" : undefined;
}

function left(reason: string): RealtimeError {
  return new RealtimeError("left", `The channel is in no room: ${reason}.`);
}

/** A state as the wire carries it, and a copy that nobody changes. */
function asSent<S extends object>(state: S): S {
  const copy: unknown = JSON.parse(JSON.stringify(state));
  return copy as S;
}
