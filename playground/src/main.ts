import { setText } from "./dom.js";
import { Participant } from "./participant.js";
import { load, type Saved, save } from "./saved.js";

const MOST_PARTICIPANTS = 4;
const NAMES = ["ada", "grace", "alan", "edsger", "barbara", "ken", "radia", "linus", "frances", "tim", "hedy", "dennis"];

// The address may say what to propose, and how patient the server should be:
// ?room=lobby&user=ada&graceMs=15000&pageGraceMs=3000
const address = new URLSearchParams(location.search);

/** The page: participants side by side. */
class Playground {
  readonly #participants = new Map<number, Participant>();
  readonly #list = byId("participants");
  readonly #add = byId("add");
  readonly #announcements = byId("announcements");
  #restored = false;

  constructor() {
    byId("reload").addEventListener("click", () => {
      location.reload();
    });
    this.#add.addEventListener("click", () => {
      this.#open({ ...this.#proposal(), joined: false }).focus();
    });
    const before = load();
    for (const saved of before.length > 0 ? before : [{ ...this.#proposal(), joined: false }]) this.#open(saved);
    this.#restored = true;
  }

  #open(saved: Saved): Participant {
    let number = 1;
    while (this.#participants.has(number)) number++;
    const participant = new Participant(number, saved, {
      announce: (sentence) => {
        this.#announce(sentence);
      },
      changed: () => {
        this.#save();
      },
      options: { ...milliseconds("graceMs"), ...milliseconds("pageGraceMs") },
      ...(number > 1 && {
        remove: () => {
          this.#close(number);
        },
      }),
    });
    this.#participants.set(number, participant);
    this.#list.append(participant.element);
    this.#save();
    return participant;
  }

  #close(number: number): void {
    this.#participants.get(number)?.close();
    this.#participants.delete(number);
    this.#save();
    this.#add.focus();
  }

  #save(): void {
    const several = this.#participants.size > 1;
    this.#list.classList.toggle("several", several);
    this.#add.toggleAttribute("disabled", this.#participants.size >= MOST_PARTICIPANTS);
    if (this.#restored) save([...this.#participants.values()].map(({ saved }) => saved));
  }

  /** The room of the last participant, else that of the address, and a name that nobody here has. */
  #proposal(): { roomId: string; userId: string } {
    const here = [...this.#participants.values()].map(({ saved }) => saved);
    const free = NAMES.filter((name) => !here.some(({ userId }) => userId === name));
    return {
      roomId: here.at(-1)?.roomId ?? address.get("room") ?? "lobby",
      userId: (here.length === 0 ? address.get("user") : null) ?? free[Math.floor(Math.random() * free.length)] ?? "ada",
    };
  }

  #announce(sentence: string): void {
    setText(this.#announcements, sentence);
  }
}

/** An option that the address gives, if it does. */
function milliseconds<K extends string>(name: K): Partial<Record<K, number>> {
  const text = address.get(name);
  return text !== null && /^\d+$/.test(text) ? ({ [name]: Number(text) } as Record<K, number>) : {};
}

function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element ${id}`);
  return element;
}

new Playground();
