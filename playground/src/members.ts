import type { DefaultState, LeaveReason, Member, RoomSnapshot } from "realtime-message-sdk";

import { avatar, h, type Row, Rows, setText } from "./dom.js";

/** How long one who left is still shown, in ms. */
const FAREWELL_MS = 6000;

type Status = "online" | "away" | "left";

/** A connection as it is shown: one that left stays for a moment. */
interface Shown {
  readonly member: Member;
  readonly status: Status;
  readonly reason?: LeaveReason;
  readonly own: boolean;
}

const LEFT_BECAUSE: Record<LeaveReason, string> = {
  leave: "left",
  disconnect: "left: connection closed",
  timeout: "left: silent for too long",
  node_lost: "left: its server died",
  shutdown: "left: its server stopped",
  kicked: "left: removed by the server",
};

/** Who is in the room: users, each with its connections and their states. */
export class Members {
  readonly element: HTMLElement;
  readonly #count = h("span", { class: "count" });
  readonly #empty = h("p", { class: "empty" }, "Nobody is known yet.");
  readonly #rows: Rows<Shown[]>;
  readonly #gone = new Map<string, Shown>(); // by connId
  readonly #redraw: () => void;
  #shown: ReadonlyMap<string, Member> = new Map();

  /** `redraw` is called when somebody who left is to be shown no longer. */
  constructor(id: string, redraw: () => void) {
    this.#redraw = redraw;
    const list = h("ul", { class: "users", tabindex: "0", "aria-labelledby": `${id}-members` });
    this.#rows = new Rows<Shown[]>(list, userRow);
    this.element = h("section", { class: "card members" }, h("h3", { id: `${id}-members` }, "Members ", this.#count), this.#empty, list);
  }

  /** Keeps somebody who left on the list for a moment. */
  farewell(connId: string, reason: LeaveReason): void {
    const member = this.#shown.get(connId);
    if (!member) return;
    this.#gone.set(connId, { member, status: "left", reason, own: false });
    setTimeout(() => {
      this.#gone.delete(connId);
      this.#redraw();
    }, FAREWELL_MS);
  }

  /** Forgets those who left. */
  clear(): void {
    this.#gone.clear();
  }

  show({ status, members, users, self }: RoomSnapshot): void {
    this.#shown = members;
    const byUser = new Map<string, Shown[]>();
    const add = (shown: Shown) => {
      const list = byUser.get(shown.member.userId);
      if (list) list.push(shown);
      else byUser.set(shown.member.userId, [shown]);
    };
    // Without a connection the own status is what the others see, or will in a moment.
    if (self) add({ member: self, status: status === "reconnecting" ? "away" : self.status, own: true });
    for (const user of users.values()) {
      for (const member of user.members) {
        if (member.connId !== self?.connId) add({ member, status: member.status, own: false });
      }
    }
    for (const shown of this.#gone.values()) if (!members.has(shown.member.connId)) add(shown);
    this.#rows.show(byUser);
    this.#empty.hidden = byUser.size > 0;
    const asOf = status === "reconnecting" ? ", as last known" : "";
    setText(this.#count, members.size === 0 ? "" : `${count(users.size, "user")}, ${count(members.size, "connection")}${asOf}`);
  }
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function userRow(): Row<Shown[]> {
  const face = avatar();
  const name = h("strong");
  const you = h("span", { class: "you" }, "you");
  const status = h("span", { class: "status" });
  const list = h("ul", { class: "connections" });
  const rows = new Rows<Shown>(list, connectionRow);
  const element = h("li", { class: "user" }, face.element, h("div", { class: "who" }, h("p", {}, name, you, status), list));
  return {
    element,
    update: (shown) => {
      const userId = shown[0]?.member.userId ?? "";
      face.name(userId);
      setText(name, userId);
      you.hidden = !shown.some((one) => one.own);
      const best = bestStatus(shown);
      element.dataset.user = userId;
      element.dataset.status = best;
      setText(status, best === "left" ? LEFT_BECAUSE[shown[0]?.reason ?? "leave"] : best);
      rows.show(new Map(shown.map((one) => [one.member.connId, one])));
    },
  };
}

function bestStatus(shown: readonly Shown[]): Status {
  return (["online", "away"] as const).find((status) => shown.some((one) => one.status === status)) ?? "left";
}

function connectionRow(): Row<Shown> {
  const state = h("code");
  const about = h("span", { class: "about" });
  const element = h("li", {}, state, about);
  let last: Readonly<DefaultState> | undefined;
  return {
    element,
    update: ({ member, status, own }) => {
      element.dataset.conn = member.connId;
      element.dataset.status = status;
      if (own) element.dataset.own = "";
      const text = JSON.stringify(member.state);
      if (last && state.textContent !== text) flash(state);
      last = member.state;
      setText(state, text);
      setText(about, `${own ? "this one, " : ""}connection ${member.connId.slice(0, 6)}, epoch ${member.epoch}${status === "online" ? "" : `, ${status}`}`);
      about.title = member.connId;
    },
  };
}

function flash(element: HTMLElement): void {
  element.classList.remove("changed");
  requestAnimationFrame(() => {
    element.classList.add("changed");
  });
}
