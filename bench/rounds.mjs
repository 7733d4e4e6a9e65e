/**
 * The rounds of one build, in a process of its own: what V8 learned from one
 * build never changes the code of another.
 *
 * @module
 */

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A process that runs benchmarks of one build. */
export class Rounds {
  #child;

  /** @param {string} folder of the benchmarks, which have the build beside them */
  constructor(folder) {
    const file = fileURLToPath(new URL("rounds.mjs", pathToFileURL(`${folder}/`)));
    this.#child = fork(file, [], { execArgv: ["--expose-gc"] });
  }

  /** Sets a benchmark up and runs its warm-up. */
  async prepare(group, name, warmups) {
    await this.#ask({ group, name, warmups });
  }

  /** Runs one round of the benchmark that was prepared: its value. */
  async round() {
    return (await this.#ask({ round: true })).value;
  }

  /** Runs one round of its floor: nanoseconds of one operation. */
  async floor() {
    return (await this.#ask({ floor: true })).value;
  }

  async #ask(request) {
    this.#child.send(request);
    const heard = new AbortController();
    const { signal } = heard;
    const answered = [once(this.#child, "message", { signal }), once(this.#child, "exit", { signal })];
    const [answer] = await Promise.race(answered);
    heard.abort();
    await Promise.allSettled(answered);
    if (typeof answer !== "object" || answer === null) throw new Error("the process of a benchmark ended");
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  end() {
    this.#child.disconnect();
  }
}

/** Answers requests of a {@link Rounds}. */
function serve() {
  let benchmark;
  let state;
  let floorState;
  const answer = async (request) => {
    if (request.round) return { value: await benchmark.run(state) };
    if (request.floor) return { value: await benchmark.floor.run(floorState) };
    const { benchmarks } = await import(new URL(`groups/${request.group}.mjs`, import.meta.url));
    benchmark = benchmarks.find(({ name }) => name === request.name);
    // What the one before has made goes first.
    state = undefined;
    floorState = undefined;
    state = await benchmark.setup?.();
    for (let i = 0; i < request.warmups; i++) await benchmark.run(state);
    floorState = await benchmark.floor?.setup(state);
    for (let i = 0; i < request.warmups; i++) await benchmark.floor?.run(floorState);
    return {};
  };
  process.on("message", async (request) => {
    process.send(await answer(request).catch((error) => ({ error: error.stack })));
  });
  // A browser may still be open, of which other rows were not asked for.
  process.on("disconnect", () => process.exit());
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) serve();
