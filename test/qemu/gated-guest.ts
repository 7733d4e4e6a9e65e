import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import type { OpScript } from "../../src/formats/op-script/script.ts";
import { MAILBOX_ADDRESS, MAILBOX_BYTES, RecordKind, readMailbox } from "../../src/live/firmware/layout.ts";
import { FirmwareScript } from "../../src/live/firmware/script.ts";
import { bridgesOf, qemuArguments, readAt, writeGuestMemory } from "../../src/live/real-qemu.ts";
import { until } from "./until.ts";

/** A word of guest memory that the firmware waits for at gates. */
const GATE_ADDRESS = 0x3ff_0000;
const LOGICAL_CI_LOAD = 0x3c;

/** A guest that does a script in steps, whoever starts its QEMU: the test speaks to it through its memory, which is a file. */
export class GatedGuest {
  readonly folder: string;
  readonly log: string;
  /** QEMU's arguments for its machine. */
  readonly args: readonly string[];
  readonly #ram: string;
  /** Records that are done when the guest waits at each gate. */
  readonly #gateRecords: readonly number[];
  #opened = 0;

  /** @param gates numbers of lines before which it waits until the test lets it go on; it waits at the end, too */
  constructor(script: OpScript, gates: readonly number[] = []) {
    this.folder = mkdtempSync(path.join(existsSync("/dev/shm") ? "/dev/shm" : "/tmp", "spapr-iommu-test-"));
    this.log = path.join(this.folder, "log");
    this.#ram = path.join(this.folder, "ram");
    const bridges = bridgesOf(script);
    const compiled = new FirmwareScript(bridges);
    const gateRecords: number[] = [];
    script.lines.forEach((line, i) => {
      if (gates.includes(i)) addGate(compiled, gateRecords);
      compiled.add(line);
    });
    addGate(compiled, gateRecords);
    this.#gateRecords = gateRecords;
    writeGuestMemory(this.#ram, script, compiled.bytes());
    this.args = qemuArguments(script, bridges, { ram: this.#ram, log: this.log });
  }

  get done(): number {
    return Number(readMailbox(readAt(this.#ram, MAILBOX_ADDRESS, MAILBOX_BYTES)).done);
  }

  /** Waits until the guest stands at the next gate that is closed. */
  async atGate(said: () => string = () => ""): Promise<void> {
    const isThere = (): boolean => this.done === this.#gateRecords[this.#opened];
    await until(isThere, () => `gate ${this.#opened} (${said()})`);
  }

  /** Lets the guest go on. */
  openGate(): void {
    const word = Buffer.alloc(8);
    word.writeBigUInt64BE(BigInt(++this.#opened));
    const fd = openSync(this.#ram, "r+");
    writeSync(fd, word, 0, 8, GATE_ADDRESS);
    closeSync(fd);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function addGate(script: FirmwareScript, gateRecords: number[]): void {
  gateRecords.push(script.records);
  const words = [0xffff_ffff, gateRecords.length, 2n ** 40n, LOGICAL_CI_LOAD, 8, GATE_ADDRESS];
  script.record(RecordKind.POLL, words);
}
