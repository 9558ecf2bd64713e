import type { Emitter } from "./emitter.js";
import { isTransient, RealtimeError, refusalError } from "./errors.js";
import type { Link, LinkHooks, Loss } from "./link.js";
import { Liveness } from "./liveness.js";
import type { PresenceSettings } from "./options.js";
import { Outbox } from "./outbox.js";
import { swapToken, tokenKey } from "./page.js";
import { asSent, type Changes, deleted, PatchQueue } from "./patches.js";
import type { HeartbeatResponse, JoinResponse, Member, PresenceEvent, Refusal, Sender, SyncResponse } from "./protocol.js";
import { Replica } from "./replica.js";
import { Retry } from "./retry.js";
import { Steps } from "./steps.js";
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
  readonly #notify: (own: boolean) => void;
  readonly #steps = new Steps();
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
  #error: RealtimeError | undefined; // why this is no member, while it is none
  #view: RoomSnapshot<S> | undefined; // the last one handed out, while it is true
  #own: Member<S> | undefined; // what `#self` was made from
  #self: Member<S> | undefined; // the own member, with patches that are on their way
  #untold: boolean | undefined; // a change of the view is to be told; true: an own one

  /** Tells events to the emitter, and calls `notify` after every change of `view()`: `own` if it is this side's doing. */
  constructor(link: Link, options: PresenceSettings, emitter: Emitter, notify: (own: boolean) => void) {
    this.#link = link;
    this.#options = options;
    this.#emitter = emitter;
    this.#notify = notify;
    const { connection } = link;
    const lost = (error: RealtimeError) => {
      link.lost(error);
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
    this.#liveness = new Liveness(options, link, beat, dead);
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
    if (own !== this.#own || !this.#self || !alike(state, this.#self.state)) {
      this.#own = own;
      this.#self = state === own.state ? own : { ...own, state };
    }
    return this.#self;
  }

  join(params: JoinParams<S>): Promise<JoinResponse<S>> {
    const promise = new Promise<JoinResponse<S>>((resolve, reject) => {
      this.#steps.run(() => {
        try {
          this.#begin(params);
          this.#joining = { resolve, reject };
        } catch (thrown) {
          const error = thrown as RealtimeError;
          reject(error);
          this.#fail(error, !this.#want);
        }
      });
    });
    promise.catch(() => undefined); // who does not look at it is told by the error event
    return promise;
  }

  /** Throws what speaks against joining. */
  #begin(params: JoinParams<S>): void {
    const { rooms, hooks, connection } = this.#link;
    if (this.status === "stopped") throw left("stopped");
    if (this.#want || rooms.has(params.roomId)) throw new RealtimeError("in_use", this.#want ? "The channel is in a room already." : "Another channel of this client is in that room.");
    this.#want = params.state ? { ...params, state: asSent(params.state) } : params;
    rooms.add(params.roomId);
    hooks.add(this);
    this.show();
    this.#error = undefined;
    this.#become("joining");
    if (connection.socket.connected) this.up();
    else this.#link.open();
  }

  /** Changes keys of the own state. */
  patch(patch: Changes): Promise<HeartbeatResponse> {
    return this.#change(() => asSent(patch));
  }

  /** Deletes keys of the own state. */
  delete(keys: readonly string[]): Promise<HeartbeatResponse> {
    return this.#change(() => deleted(keys));
  }

  #change(make: () => Changes): Promise<HeartbeatResponse> {
    try {
      return this.beat(make());
    } catch (thrown) {
      const error = thrown as RealtimeError;
      this.#tell("error", error);
      const refused = Promise.reject<HeartbeatResponse>(error);
      refused.catch(() => undefined); // told by the error event
      return refused;
    }
  }

  /** Sends a heartbeat, when one can be sent. */
  beat(changes?: Changes): Promise<HeartbeatResponse> {
    if (!this.#want) return Promise.reject(notJoined());
    return this.#steps.run(() => {
      const promise = this.#patches.add(changes);
      this.#flush();
      if (changes) this.#changed(true);
      return promise;
    });
  }

  leave(): Promise<void> {
    return this.#steps.run(async () => {
      const { roomId } = this;
      this.#end("leave");
      const { socket } = this.#link.connection;
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
    this.#link.senders ||= answer.sender === true;
    this.#error = undefined;
    this.status = "joined";
    if (!this.#fenced) this.#retry.reset();
    this.#patches.accept({ ok: true, changed: true, epoch, seq: answer.seq });
    this.#joining?.resolve(answer); // the first time; later it does nothing
    this.#changed(true);
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
    this.#link.hooks.delete(this);
    this.#newSession();
    this.#want = this.#token = this.#state = undefined;
    this.#connId = "";
    this.#fenced = false;
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
        if (first?.roomId === roomId) this.#settle(this.#replica.receive(first as PresenceEvent<S>));
      } else if (!OWN_EVENTS.has(event) && ((sender ?? first)?.roomId ?? roomId) === roomId) {
        this.#steps.news(() => {
          this.#emitter.emit(event, ...args, sender);
        });
      }
    });
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
    const { connection } = this.#link;
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
    this.#liveness.doubt();
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

/** Whether two states hold the same values. */
function alike(a: object, b: object): boolean {
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return left.length === right.size && left.every(([key, value]) => right.has(key) && right.get(key) === value);
}
