import { readFrame, type StackFrame } from "./stack-frame.ts";
import { encode, NameTable } from "./words.ts";

/** Innermost frames of the callers of the DMA API by which two calls are told apart. */
export const TOP_FRAMES = 4;

/** Frames that are kept, in the whole tree: some 100 bytes each. */
const MAX_NODES = 2 ** 20;
/** Frames of one stack; the kernel prints at most 127, and perf at most some hundreds with those of the program. */
const MAX_DEPTH = 512;
/** The first frame: what stands for others if these are too many or too long to keep. */
const MANY = encode("(another frame)");

/**
 * The call stacks of a recording, each kept once: a tree in which the children of a frame are those that called it, so
 * that a stack is the number of its outermost frame, and stacks with the same innermost frames share these.
 *
 * A stack is printed behind its event. What is asked of the last event of a CPU may be known only when more was read.
 *
 * @public
 */
export class CallStacks {
  /** Events that have a stack. */
  events = 0;
  /** Frames that were left out, as there were too many different stacks, or too many frames in one. */
  dropped = 0;
  /** Different texts of frames, by number; and what was read of these that somebody asked for. */
  readonly #texts = new NameTable();
  readonly #read: StackFrame[] = [];
  /** By node: the frame that it called (its parent, -1 for an innermost one), its own text, and its depth from 1 on. */
  readonly #parents: number[] = [];
  readonly #frames: number[] = [];
  readonly #depths: number[] = [];
  /** Nodes by parent and frame. */
  readonly #children = new Map<number, number>();
  /** By event: 1 and the node of its stack, 0 without one; its line; and the number of its kind. */
  #nodes = new Uint32Array(0);
  #lines = new Uint32Array(0);
  #kinds = new Uint8Array(0);
  /** {@link callerOf} and {@link callers}, by stack. */
  readonly #callers = new Map<number, number>();
  readonly #callerFrames = new Map<number, readonly string[]>();

  constructor() {
    this.#texts.number(MANY, 0, MANY.length);
  }

  /**
   * The node of a frame that called another one.
   *
   * @param callee -1 for the innermost frame
   * @returns the callee itself if there are too many frames already
   * @internal
   */
  caller(callee: number, bytes: Uint8Array, start: number, end: number): number {
    const frame = Math.max(0, this.#texts.number(bytes, start, end));
    const key = (callee + 1) * 2 ** 17 + frame;
    const node = this.#children.get(key);
    if (node !== undefined) return node;
    const depth = callee < 0 ? 1 : this.#depths[callee]! + 1;
    if (this.#frames.length >= MAX_NODES || depth > MAX_DEPTH) {
      this.dropped++;
      return callee;
    }
    this.#children.set(key, this.#frames.length);
    this.#parents.push(callee);
    this.#depths.push(depth);
    return this.#frames.push(frame) - 1;
  }

  /**
   * An event has a stack, or its stack has more frames than before.
   *
   * @internal
   */
  set(event: number, line: number, kind: number, node: number): void {
    if (node < 0) return;
    if (event >= this.#nodes.length) this.#grow(event + 1);
    if (this.#nodes[event] === 0) this.events++;
    this.#nodes[event] = node + 1;
    this.#lines[event] = line;
    this.#kinds[event] = kind;
  }

  /** The number of an event's stack, -1 without one. Equal stacks have one number. */
  of(event: number): number {
    return (this.#nodes[event] ?? 0) - 1;
  }

  /** The same for an event that stands in this line: numbers of other lines are those of the next event. */
  at(event: number, line: number): number {
    return this.#lines[event] === line ? this.of(event) : -1;
  }

  /** The number of the kind of an event that has a stack. */
  kindOf(event: number): number {
    return this.#kinds[event]!;
  }

  /** The frames of a stack as people read them, innermost first. */
  frames(stack: number): string[] {
    return this.#path(stack).map((node) => this.#frameOf(node).text);
  }

  /** The names of their functions, innermost first. */
  functions(stack: number): string[] {
    return this.#path(stack).map((node) => this.#frameOf(node).name);
  }

  /** The frames of who called the DMA API, innermost first: without the tracer, and without the API itself. */
  callers(stack: number): readonly string[] {
    const known = this.#callerFrames.get(stack);
    if (known !== undefined) return known;
    const callers = this.frames(stack).slice(this.below(stack));
    this.#callerFrames.set(stack, callers);
    return callers;
  }

  /** How many frames of a stack lie below its first caller; 0 if there is no caller. */
  below(stack: number): number {
    return this.#below(this.#path(stack));
  }

  /**
   * A number that two stacks share whose first callers are the same (`TOP_FRAMES` of them): what lies further out
   * is the work that was interrupted, or the way into the kernel. -1 without a stack.
   */
  callerOf(event: number): number {
    const stack = this.of(event);
    if (stack < 0) return -1;
    const known = this.#callers.get(stack);
    if (known !== undefined) return known;
    const path = this.#path(stack);
    const caller = path[Math.min(path.length, this.#below(path) + TOP_FRAMES) - 1]!;
    this.#callers.set(stack, caller);
    return caller;
  }

  /** Nodes of a stack, innermost first. */
  #path(stack: number): number[] {
    const path: number[] = [];
    for (let node = stack; node >= 0; node = this.#parents[node]!) path.push(node);
    return path.reverse();
  }

  #below(path: readonly number[]): number {
    const first = path.findIndex((node) => !this.#frameOf(node).isBelowCaller);
    return Math.max(first, 0);
  }

  #frameOf(node: number): StackFrame {
    const number = this.#frames[node]!;
    this.#read[number] ??= readFrame(this.#texts.names[number]!);
    return this.#read[number];
  }

  #grow(events: number): void {
    const length = Math.max(1024, events, this.#nodes.length * 2);
    const [nodes, lines, kinds] = [new Uint32Array(length), new Uint32Array(length), new Uint8Array(length)];
    nodes.set(this.#nodes);
    lines.set(this.#lines);
    kinds.set(this.#kinds);
    this.#nodes = nodes;
    this.#lines = lines;
    this.#kinds = kinds;
  }
}
