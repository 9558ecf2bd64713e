import type { Connection } from "./connection.js";
import { Deferred } from "./deferred.js";
import type { Emitter } from "./emitter.js";
import { isTransient, RealtimeError, refusalError } from "./errors.js";
import type { ChannelHooks, Loss } from "./hooks.js";
import { asSent } from "./json.js";
import { Liveness } from "./liveness.js";
import type { PresenceSettings } from "./options.js";
import { Outbox } from "./outbox.js";
import { swapToken, tokenKey } from "./page.js";
import { type Changes, PatchQueue } from "./patches.js";
import type {
  HeartbeatResponse,
  JoinResponse,
  Member,
  PresenceBatch,
  PresenceEvent,
  Refusal,
  Sender,
  SyncResponse,
} from "./protocol.js";
import { Replica, same } from "./replica.js";
import { Retry } from "./retry.js";
import { Steps } from "./steps.js";
import type { ChannelEvents, ChannelStatus, DisconnectReason, JoinParams, RoomSnapshot } from "./types.js";
import { roomView } from "./view.js";

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

/** What the server sends several changes in. */
const BATCH_EVENT = "presence:events";

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
export class Membership<S extends object> implements ChannelHooks {
  readonly outbox: Outbox;
  status: ChannelStatus = "idle";

  readonly #connection: Connection;
  readonly #options: PresenceSettings;
  readonly #emitter: Emitter;
  readonly #notify: (own: boolean) => void;
  readonly #steps = new Steps();
  readonly #replica = new Replica<S>();
  readonly #patches = new PatchQueue();
  readonly #retry = new Retry();
  readonly #liveness: Liveness;

  #want: JoinParams<S> | undefined; // what to be a member as, as long as that is wanted
  #joining: Deferred<JoinResponse<S>> | undefined;
  #connId = "";
  #epoch = 0;
  #token: string | undefined;
  #state: S | undefined; // the own state as last heard from the server
  #session = 0; // answers to requests of an earlier one mean nothing any more
  #syncing = false; // a sync is under way, or waits to be tried again
  #error: RealtimeError | undefined; // why this is no member, while it is none
  #view: RoomSnapshot<S> | undefined; // the last one handed out, while it is true
  #ahead: Member<S> | undefined; // the own member with patches that are on their way, as last handed out
  #untold: boolean | undefined; // a change of the view is to be told; true: an own one

  /** Tells events to the emitter, and calls `notify` after every change of `view()`: `own` if it is this side's doing. */
  constructor(
    connection: Connection,
    options: PresenceSettings,
    lost: (error: RealtimeError) => void,
    emitter: Emitter,
    notify: (own: boolean) => void,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#emitter = emitter;
    this.#notify = notify;
    const notDelivered = (error: RealtimeError) => {
      this.#tell("error", error);
      lost(error);
    };
    this.outbox = new Outbox(connection, notDelivered, () => this.roomId);
    const beat = () => {
      if (this.status !== "joined") return;
      this.#patches.undo(); // one that was not answered in time is sent again
      void this.beat();
    };
    const dead = () => {
      connection.socket.io.engine.close(); // not a leave: the client reconnects
    };
    this.#liveness = new Liveness(options, connection, beat, dead);
  }

  /** The room that the channel is in, or wants to be in. */
  get roomId(): string | undefined {
    return this.#want?.roomId;
  }

  /** The room as it is now: the same object until something is different. */
  view(): RoomSnapshot<S> {
    return (this.#view ??= this.#look());
  }

  #look(): RoomSnapshot<S> {
    const { members } = this.#replica;
    const own = members.get(this.#connId);
    const self = own && this.#withPatches(own);
    const shown = self && self !== own ? new Map(members).set(this.#connId, self) : members;
    return roomView(this.status, shown, self, this.#error);
  }

  /** The own member as it will be when all patches have arrived. The same object until that is different. */
  #withPatches(own: Member<S>): Member<S> {
    const state = this.#patches.over(own.state);
    if (state === own.state) return own;
    const ahead = { ...own, state };
    return (this.#ahead = this.#ahead && same(this.#ahead, ahead) ? this.#ahead : ahead);
  }

  join(params: JoinParams<S>): Promise<JoinResponse<S>> {
    const joining = new Deferred<JoinResponse<S>>();
    this.#steps.run(() => {
      try {
        this.#begin(params);
        this.#joining = joining;
      } catch (thrown) {
        const error = thrown as RealtimeError;
        joining.reject(error);
        this.#fail(error, !this.#want);
      }
    });
    return joining.promise;
  }

  /** Throws what speaks against joining. */
  #begin(params: JoinParams<S>): void {
    const { channels, socket } = this.#connection;
    const { roomId, state } = params;
    const want = asSent(state ? { ...params, state: asSent(state) } : params);
    if (this.status === "stopped") throw left("stopped");
    if (this.#want) throw new RealtimeError("in_use", "The channel is in a room already.");
    // Two in one room would be one member to the server.
    if ([...channels].some((channel) => channel.roomId === roomId)) {
      throw new RealtimeError("in_use", "Another channel of this client is in that room.");
    }
    this.#want = want;
    channels.add(this);
    this.show();
    this.#error = undefined;
    this.#become("joining");
    if (socket.connected) this.up();
    else this.#connection.open();
  }

  /** Sends a heartbeat, when one can be sent, with the changes of the own state if there are any. Who does not look at the promise is told by the error event. */
  beat(changes?: () => Changes): Promise<HeartbeatResponse> {
    return this.#steps.run(() => {
      try {
        if (!this.#want) throw notJoined();
        const answer = this.#patches.add(changes?.());
        this.#flush();
        if (changes) this.#changed(true);
        return answer;
      } catch (error) {
        this.#tell("error", error as RealtimeError);
        const refused = new Deferred<HeartbeatResponse>();
        refused.reject(error);
        return refused.promise;
      }
    });
  }

  leave(): Promise<void> {
    return this.#steps.run(async () => {
      const { roomId } = this;
      this.#end("leave");
      const { socket } = this.#connection;
      if (roomId === undefined || !socket.connected) return;
      await socket.emitWithAck("presence:leave", { roomId }).catch(() => undefined);
    });
  }

  /** Leaves for good; `last` is called when that was told. */
  stop(last: () => void): void {
    this.#steps.run(() => {
      void this.leave();
      this.#become("stopped");
      this.#steps.news(last);
    });
  }

  // --- Becoming a member ---

  up(): void {
    const want = this.#want;
    if (!want) return;
    this.#newSession();
    // The state asked for is one to begin with: a membership that the page before left keeps the one it has.
    const keepState = this.#state === undefined && this.#token !== undefined;
    // With a state to begin from, patches travel in the join itself.
    const base = keepState ? undefined : (this.#state ?? want.state);
    const state = base ? this.#patches.over(base) : want.state;
    if (base) this.#patches.next();
    const { roomId, userId } = want;
    const payload = {
      roomId,
      userId,
      graceMs: this.#options.graceMs,
      resume: this.#token,
      state,
      keepState: (keepState && want.state !== undefined) || undefined,
      sender: true,
      deltas: true,
    };
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
    this.#connection.senders ||= answer.sender === true;
    this.#error = undefined;
    this.status = "joined";
    this.#patches.accept({ ok: true, changed: true, epoch, seq: answer.seq });
    this.#joining?.resolve(answer); // the first time; later it does nothing
    this.#changed(true);
    this.#tellThatItHeals(answer.seq);
    this.#settle(this.#replica.load(answer.seq, answer.snapshot), true);
    this.#tell("connected", answer);
    this.outbox.open();
    this.#flush();
  }

  /**
   * A client that has sent a sync can close gaps, so the server drops events that
   * it is too slow for; any other client loses its connection. Nothing is missing
   * yet, so the answer means nothing.
   */
  #tellThatItHeals(seq: number): void {
    const connection = this.#connection;
    if (connection.heals) return;
    connection.heals = true;
    connection.socket.emit("presence:sync", { roomId: this.roomId, seq }, () => undefined);
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
    this.#fail(error);
    this.#retry.later(() => {
      if (this.status !== "joined") this.up();
      else if (this.#replica.gap) this.#sync();
      else this.#flush();
    }, error.retryAfterMs);
  }

  // --- Ceasing to be one ---

  down(loss: Loss): void {
    this.#steps.run(() => {
      if (loss === "connection") {
        this.#newSession();
        this.#lose(loss);
      } else {
        this.#end(loss);
      }
    });
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
    if (this.#retry.attempts > 0) {
      this.#again(new RealtimeError("not_joined", "The membership was lost again."));
    } else {
      this.#retry.attempts++;
      this.up();
    }
  }

  #lose(reason: DisconnectReason): void {
    if (this.status !== "joined") return;
    this.outbox.close();
    this.#become("reconnecting");
    this.#tell("disconnected", { reason, willReconnect: this.#connection.reconnects });
  }

  /** The membership is over and does not come back by itself. */
  #end(reason: DisconnectReason, error = left(reason)): void {
    if (!this.#want) return;
    const was = this.status;
    this.#connection.channels.delete(this);
    this.#newSession();
    this.#want = this.#token = this.#state = undefined;
    this.#connId = "";
    this.#retry.reset();
    this.#patches.clear(error);
    this.outbox.clear(error);
    this.#replica.clear();
    this.#joining?.reject(error);
    this.#joining = undefined;
    this.#error = reason === "leave" ? undefined : error;
    this.#become("idle");
    if (was !== "joining") this.#tell("disconnected", { reason, willReconnect: false });
  }

  // --- Being one ---

  heard(event: string, args: unknown[], sender: Sender | null): void {
    const { roomId } = this;
    if (roomId === undefined) return;
    const first = args[0] as { roomId?: unknown } | null | undefined;
    this.#steps.run(() => {
      if (event === this.#options.presenceEventName) {
        if (first?.roomId === roomId) this.#hear(first as PresenceEvent<S>);
      } else if (event === BATCH_EVENT) {
        if (first?.roomId === roomId) this.#settle(this.#replica.receive(first as PresenceBatch<S>));
      } else if (!OWN_EVENTS.has(event) && ((sender ?? first)?.roomId ?? roomId) === roomId) {
        this.#steps.news(() => {
          this.#emitter.emit(event, ...args, sender);
        });
      }
    });
  }

  #hear(event: PresenceEvent<S>): void {
    // The own leave comes at once, before changes that the server still gathers.
    const own = this.status === "joined" && event.type === "leave" && event.connId === this.#connId && event.seq > this.#replica.seq;
    this.#settle(own ? this.#replica.force(event) : this.#replica.receive(event));
  }

  /** After the replica took something in: tells of it, and does what it asks for. */
  #settle(applied: readonly PresenceEvent<S>[], loaded = false): void {
    this.#patches.seen(this.#replica.seq);
    this.#state = this.#replica.get(this.#connId)?.state ?? this.#state;
    const change = this.#replica.takeChange();
    if (change || loaded) this.#changed(false);
    if (loaded) this.#tell("snapshot", this.view().members);
    for (const event of applied) this.#tell("presenceEvent", event);
    if (change) this.#tell("membersChanged", change);
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
        this.#retry.reset();
        this.#patches.accept(answer);
        this.#patches.seen(this.#replica.seq);
        this.#tell("heartbeatAck", { ...answer, latencyMs: Date.now() - sent });
      } else if (isTransient(answer)) {
        this.#patches.undo();
        this.#again(refusalError(answer));
      } else {
        this.#patches.refuse(refusalError(answer));
        this.#changed(true); // the patch is taken back
        this.#fail(refusalError(answer));
      }
      this.#flush();
    });
  }

  #heartbeat(changes?: Changes): object {
    const gone = changes && Object.keys(changes).filter((key) => changes[key] === undefined);
    // Deleted keys are no JSON, so `patchState` holds the others.
    return { roomId: this.roomId, epoch: this.#epoch, patchState: changes, removeState: gone?.length ? gone : undefined };
  }

  /** Sends a request whose answer counts only in this session. One that is too large for the connection is refused here, as the server would. */
  #request<K extends keyof Answers<S>>(event: K, payload: object, handle: (answer: Answers<S>[K] | Refusal) => void): void {
    const connection = this.#connection;
    const session = this.#session;
    const answered = (answer: Answers<S>[K] | Refusal) => {
      if (session !== this.#session) return;
      connection.unanswered.delete(this);
      this.#steps.run(() => {
        handle(answer);
      });
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
    this.#connection.unanswered.delete(this);
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
    this.#liveness.doubt();
    // The page may never run again: what waits goes now, and nobody waits for answers.
    this.#patches.undo();
    const next = this.#patches.next();
    const connection = this.#connection;
    const heartbeat = next && this.#heartbeat(next.patch);
    if (heartbeat && !connection.tooLarge("presence:heartbeat", heartbeat)) connection.socket.emit("presence:heartbeat", heartbeat);
    connection.socket.emit("presence:leave", { roomId: want.roomId, graceMs: this.#options.pageGraceMs });
  }

  show(): void {
    if (this.#want) this.#token = swapToken(this.#tokenKey(this.#want)) ?? this.#token;
  }

  wake(): boolean {
    if (this.status !== "joined") return false;
    this.#liveness.probe();
    return true;
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
    this.#steps.run(() => {
      this.#fail(error);
      if (forGood) this.#end("refused", error);
    });
  }

  /** Something went wrong; while this is no member, it is the reason. */
  #fail(error: RealtimeError, reason = this.status !== "joined"): void {
    if (reason) {
      this.#error = error;
      this.#changed(true);
    }
    this.#tell("error", error);
  }

  #tell<K extends keyof ChannelEvents<S>>(event: K, ...args: Parameters<ChannelEvents<S>[K]>): void {
    this.#steps.news(() => {
      this.#emitter.emit(event, ...args);
    });
  }

  #become(status: ChannelStatus): void {
    this.status = status;
    this.#changed(true);
  }

  /** The view is different: told once, however often that happens in a step. */
  #changed(own: boolean): void {
    this.#view = undefined;
    const untold = this.#untold;
    this.#untold = own || untold === true;
    if (untold !== undefined) return;
    this.#steps.news(() => {
      const byThisSide = this.#untold === true;
      this.#untold = undefined;
      this.#notify(byThisSide);
    });
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
  if (reason === "kicked") return new RealtimeError(reason, "The server removed this member from the room.");
  return new RealtimeError("left", reason === "stopped" ? "The channel was stopped for good." : "The channel left the room.");
}
