import { IommuError } from "../../base/errors.ts";

/**
 * When: after the event of that number, at a time of the trace's clock or so long after its first event
 * (`sinceStart`), or (undefined) at the end.
 *
 * @public
 */
export type Moment = { readonly event: number } | MomentTime | undefined;

/**
 * A time: whole or broken seconds, to which nanoseconds are added. Times of day are exact only if they stand apart.
 *
 * @public
 */
export interface MomentTime {
  readonly seconds: number;
  readonly nanoseconds?: number;
  /** Counted from the first event on, not from where the clock counts. */
  readonly sinceStart?: boolean;
}

/**
 * The moment that an answer shows: the last event that had happened.
 *
 * @public
 */
export interface ShownMoment {
  /** Events before it. */
  readonly event: number;
  /** Line from 1, or byte offset of the record. */
  readonly line: number;
  /** Time of the trace's clock; NaN and 0 without times. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Seconds since the first event; NaN without times. */
  readonly sinceStart: number;
  /** Is it the end of the trace? */
  readonly isEnd: boolean;
}

/** What a cursor looks at of an event. */
export interface TimedEvent {
  readonly number: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

const NANO = 1_000_000_000;

/**
 * Finds a moment in a trace: give it each event before that happens. Events of the very time that was asked for have
 * happened, whatever their CPU: equal times have no order.
 */
export class MomentCursor {
  readonly #name: string;
  readonly #moment: Moment;
  #passed = false;
  #events = 0;
  readonly #first = { seconds: Number.NaN, nanoseconds: 0 };
  /** The latest time there was. */
  readonly #latest = { seconds: Number.NEGATIVE_INFINITY, nanoseconds: 0 };
  readonly #last = { number: 0, line: 0, seconds: Number.NaN, nanoseconds: 0 };
  /** The moment as a time of the clock. */
  #whole = Number.NaN;
  #nano = 0;

  /** @param name of the file, for messages */
  constructor(moment: Moment, name: string) {
    this.#moment = moment;
    this.#name = name;
  }

  /** Did the moment go by? */
  get passed(): boolean {
    return this.#passed;
  }

  /**
   * Looks at the next event.
   *
   * @param line its line, or byte offset
   * @returns true from the first event on that lies behind the moment
   * @throws IommuError BAD_ARGUMENT if the event has no time and the moment is one
   */
  passes(event: TimedEvent, line: number): boolean {
    if (this.#events++ === 0) this.#begin(event);
    const { seconds, nanoseconds } = event;
    const latest = this.#latest;
    if (seconds > latest.seconds || (seconds === latest.seconds && nanoseconds > latest.nanoseconds)) {
      latest.seconds = seconds;
      latest.nanoseconds = nanoseconds;
    }
    this.#passed ||= this.#isBehind(event);
    if (this.#passed) return true;
    const last = this.#last;
    last.number = event.number;
    last.line = line;
    last.seconds = seconds;
    last.nanoseconds = nanoseconds;
    return false;
  }

  /**
   * The moment that was found; to be asked after the last event.
   *
   * @throws IommuError BAD_ARGUMENT if it lies outside of the trace
   */
  shown(): ShownMoment {
    this.checkInside();
    const { number, line, seconds, nanoseconds } = this.#last;
    const sinceStart = seconds - this.#first.seconds + (nanoseconds - this.#first.nanoseconds) / NANO;
    return { event: number, line, seconds, nanoseconds, sinceStart, isEnd: !this.#passed };
  }

  #begin({ seconds, nanoseconds }: TimedEvent): void {
    this.#first.seconds = seconds;
    this.#first.nanoseconds = nanoseconds;
    const moment = this.#moment;
    if (moment === undefined || "event" in moment) return;
    const whole = Math.floor(moment.seconds);
    const nano = Math.round((moment.seconds - whole) * NANO) + (moment.nanoseconds ?? 0);
    const start = moment.sinceStart === true ? this.#first : { seconds: 0, nanoseconds: 0 };
    const sum = nano + start.nanoseconds;
    this.#whole = whole + start.seconds + Math.floor(sum / NANO);
    this.#nano = sum % NANO;
  }

  #isBehind({ number, seconds, nanoseconds }: TimedEvent): boolean {
    const moment = this.#moment;
    if (moment === undefined) return false;
    if ("event" in moment) return number > moment.event;
    if (Number.isNaN(seconds)) {
      throw new IommuError("BAD_ARGUMENT", `${this.#name}: has no times: name an event by its number`);
    }
    return seconds > this.#whole || (seconds === this.#whole && nanoseconds > this.#nano);
  }

  /**
   * To be called after the last event.
   *
   * @throws IommuError BAD_ARGUMENT if the moment lies outside of the trace
   */
  checkInside(): void {
    const moment = this.#moment;
    if (moment === undefined || this.#events === 0) return;
    if ("event" in moment) {
      if (moment.event < this.#events) return;
      const isTime = moment.event >= this.#first.seconds && moment.event <= this.#latest.seconds;
      const hint = isTime ? `; as a time of its clock write ${moment.event}.0` : "";
      throw this.#outside(`event ${moment.event}`, `events 0 to ${this.#events - 1}`, hint);
    }
    const latest = this.#latest;
    const isBefore =
      this.#whole < this.#first.seconds ||
      (this.#whole === this.#first.seconds && this.#nano < this.#first.nanoseconds);
    const isAfter =
      this.#whole > latest.seconds || (this.#whole === latest.seconds && this.#nano > latest.nanoseconds);
    if (!isBefore && !isAfter) return;
    const span = latest.seconds - this.#first.seconds + (latest.nanoseconds - this.#first.nanoseconds) / NANO;
    const asked = moment.seconds + (moment.nanoseconds ?? 0) / NANO;
    const hint =
      moment.sinceStart !== true && asked <= span ? `; so long after its first event is ${asked}s` : "";
    const times = `times ${timeText(this.#first)} to ${timeText(latest)}, ${span.toFixed(6)} s`;
    throw this.#outside(
      moment.sinceStart === true
        ? `${asked} s after the first event`
        : `time ${timeText({ seconds: this.#whole, nanoseconds: this.#nano })}`,
      times,
      hint,
    );
  }

  #outside(what: string, there: string, hint: string): IommuError {
    return new IommuError(
      "BAD_ARGUMENT",
      `${this.#name}: ${what} lies outside of the recording, which has ${there}${hint}`,
    );
  }
}

/** `12.000500000`: seconds of a clock. */
export const timeText = ({
  seconds,
  nanoseconds,
}: {
  readonly seconds: number;
  readonly nanoseconds: number;
}): string => `${seconds}.${String(nanoseconds).padStart(9, "0")}`;

/**
 * The moment of an answer, for people: `event 812 (line 830), 1.250000 s after the first, time 12.000500000`.
 *
 * @public
 */
export function formatMoment({ event, line, sinceStart, isEnd, ...time }: ShownMoment): string {
  const when = Number.isNaN(time.seconds)
    ? ""
    : `, ${sinceStart.toFixed(6)} s after the first event, time ${timeText(time)}`;
  return `${isEnd ? "the end, " : ""}event ${event} (line ${line})${when}`;
}

/**
 * The same in the shape of JSON outputs.
 *
 * @public
 */
export function momentToJson(moment: ShownMoment): Record<string, unknown> {
  const { event, line, sinceStart, isEnd } = moment;
  const timed = !Number.isNaN(moment.seconds);
  return {
    event,
    line,
    time: timed ? timeText(moment) : null,
    sinceStart: timed ? Number(sinceStart.toFixed(9)) : null,
    isEnd,
  };
}

/**
 * Reads a moment: a number of an event; a time of the trace's clock, with a point; seconds since the first event, with
 * an `s`; `end` or nothing is the end.
 *
 * @throws IommuError BAD_ARGUMENT
 * @public
 */
export function parseMoment(text: string | undefined): Moment {
  if (text === undefined || text === "end") return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return { event: Number(text) };
  const time = /^([0-9]{1,15})(?:\.([0-9]{1,9}))?(s?)$/.exec(text);
  if (time !== null) {
    const [, whole, part = "", unit] = time;
    const nanoseconds = Number(part.padEnd(9, "0"));
    return { seconds: Number(whole), nanoseconds, ...(unit === "s" ? { sinceStart: true } : {}) };
  }
  throw new IommuError(
    "BAD_ARGUMENT",
    `"${text}" is no moment: write the number of an event, a time of the trace's clock such as 12.5, seconds since the first event such as 2s, or end`,
  );
}
