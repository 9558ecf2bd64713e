// One room as a client keeps it: the member map of docs/protocol.md.

export class Room extends EventTarget {
  #socket;
  #held = null; // events that wait for a join's or sync's acknowledgement
  #heard;

  members = new Map(); // by connId
  seq = 0;
  joined = false;
  connId = '';
  token; // resumes this membership after a reload

  constructor(socket, roomId, userId, token) {
    super();
    this.#socket = socket;
    this.roomId = roomId;
    this.userId = userId;
    this.token = token;
    this.#heard = ({ detail }) => {
      if (detail.name === 'presence:event' && detail.args[0].roomId === roomId) this.#receive(detail.args[0]);
    };
    socket.addEventListener('event', this.#heard);
  }

  /** Joins, or comes back after a lost connection or a reload, with the state it had. */
  async join(graceMs) {
    const { state } = this.members.get(this.connId) ?? {};
    const ack = await this.#hold(() =>
      this.#socket.request('presence:join', {
        roomId: this.roomId,
        userId: this.userId,
        graceMs,
        ...(this.token && { resume: this.token }),
        ...(state && { state }),
      }),
    );
    if (!ack.ok) return ack;
    this.joined = true;
    this.connId = ack.self.connId;
    this.epoch = ack.self.epoch;
    this.token = ack.self.resume;
    return ack;
  }

  /** A life sign; with a patch, each of its keys replaces one of the state. */
  async heartbeat(patchState) {
    const ack = await this.#socket.request('presence:heartbeat', {
      roomId: this.roomId,
      epoch: this.epoch,
      ...(patchState && { patchState }),
    });
    if (ack.code === 'not_joined') this.joined = false;
    return ack;
  }

  /** Leaves now, or with graceMs unless resumed within it. */
  leave(graceMs) {
    this.joined = false;
    return this.#socket.request('presence:leave', { roomId: this.roomId, ...(graceMs && { graceMs }) });
  }

  /** Ends this object, not the membership. */
  dispose() {
    this.#socket.removeEventListener('event', this.#heard);
  }

  // Carries out a request whose acknowledgement is a snapshot. Events that
  // come in the meantime are applied after it.
  async #hold(request) {
    this.#held = [];
    try {
      const ack = await request();
      if (ack.ok) {
        this.seq = ack.seq;
        if (ack.snapshot) this.members = new Map(ack.snapshot.map((m) => [m.connId, m]));
      }
      return ack;
    } finally {
      const held = this.#held;
      this.#held = null;
      for (const event of held) this.#receive(event);
      this.dispatchEvent(new Event('change'));
    }
  }

  #receive(event) {
    if (this.#held) {
      this.#held.push(event);
    } else if (event.seq <= this.seq) {
      return;
    } else if ((event.prev ?? event.seq - 1) <= this.seq) {
      this.#apply(event);
    } else {
      const { roomId, seq } = this;
      this.#hold(() => this.#socket.request('presence:sync', { roomId, seq })).catch(() => {});
    }
  }

  #apply(event) {
    this.seq = event.seq;
    const { connId, userId, state, epoch, status, ts } = event;
    if (event.type === 'leave') {
      this.members.delete(connId);
      if (connId === this.connId) this.joined = false;
    } else {
      const { joinedMs } = (event.type === 'update' && this.members.get(connId)) || { joinedMs: ts };
      this.members.set(connId, { connId, userId, state, epoch, status, joinedMs, lastSeenMs: ts });
    }
    this.dispatchEvent(new CustomEvent('event', { detail: event }));
    this.dispatchEvent(new Event('change'));
  }
}
