/**
 * Saved machines as people have them: a migration stream in a file of libvirt's, in a disk, packed, behind other bytes,
 * or as it is.
 *
 * @module
 */

import { IommuError } from "../../base/errors.ts";
import { isLibvirtImage, type LibvirtImage, readLibvirtImage } from "../container/libvirt-image.ts";
import { type DiskSnapshot, isQcow2, Qcow2Snapshots } from "../container/qcow2.ts";
import { readAnywhere } from "../container/read-anywhere.ts";
import type { OpenedInput } from "../input/opened-input.ts";
import { packingOf } from "../input/packing.ts";
import { unpacked } from "../input/unpacked.ts";
import { ByteCursor } from "../migration/byte-cursor.ts";
import { MAPPED_RAM } from "../migration/configuration.ts";
import { readMigrationAsFar } from "../migration/reader.ts";
import { isOnce, type MigrationSource, openSource, sizeOf, sourceFrom } from "../migration/source.ts";
import type { MigrationStream, PartialStream, ReadOptions } from "../migration/stream.ts";

/** Containers in one another: a disk or an image of libvirt's in which there is one, and so on. */
const MAX_CONTAINERS = 4;

/**
 * What a machine is saved in.
 *
 * @public
 */
export interface SavedContainer {
  /** From the outside in: how it is packed, `libvirt-save`, `qcow2`; at last `stream`, `mapped-ram` or `postcopy`. */
  readonly layers: readonly string[];
  /** Where the stream begins, in what is inside of the last packing or disk. */
  readonly offset: number;
  /** Of libvirt's: the domain's XML. */
  readonly domainXml: string | undefined;
  /** Of a disk: the snapshot that it is, and all that there are. */
  readonly snapshot: DiskSnapshot | undefined;
  readonly snapshots: readonly DiskSnapshot[];
  /** Of a disk whose snapshot nobody named, so that it is the newest: the other ones with a machine. */
  readonly others: readonly DiskSnapshot[];
  /** What is odd about it, in sentences. */
  readonly remarks: readonly string[];
}

/** A saved machine that is open. */
export interface OpenedMachine {
  /** The migration stream. */
  readonly source: MigrationSource;
  readonly container: SavedContainer;
}

/** Which machine of a file is wanted. */
export interface MachineChoice {
  /** What messages call the file. */
  readonly name: string;
  /** Name or id of a disk's snapshot; by default the newest one. */
  readonly snapshot?: string | undefined;
}

/**
 * Finds the migration stream of a saved machine.
 *
 * @param opened with a saved machine in it ({@link OpenedInput.savedAt})
 * @throws IommuError BAD_FILE for a container that is damaged; UNSUPPORTED for one without a machine; BAD_ARGUMENT for
 * a snapshot that is not there
 */
export async function openMachine(opened: OpenedInput, choice: MachineChoice): Promise<OpenedMachine> {
  const unwrap = new Unwrap(await opened.source(), opened.savedAt ?? 0, opened.packings, choice);
  for (let depth = 0; await unwrap.step(); depth++) {
    if (depth < MAX_CONTAINERS) continue;
    const message = `${choice.name}: more than ${MAX_CONTAINERS} containers in one another`;
    throw new IommuError("UNSUPPORTED", message, { path: choice.name });
  }
  return unwrap.result();
}

/**
 * Reads a saved machine, as far as it goes.
 *
 * @throws IommuError as {@link openMachine} and {@link readMigrationAsFar} do
 */
export async function readMachineAsFar(
  opened: OpenedInput,
  choice: MachineChoice,
  options: ReadOptions = {},
): Promise<{ readonly stream: PartialStream; readonly container: SavedContainer }> {
  const { source, container } = await openMachine(opened, choice);
  const stream = await readMigrationAsFar(source, { ...options, origin: container.offset });
  const isMapped = stream.capabilities.includes(MAPPED_RAM);
  const form = isMapped ? "mapped-ram" : stream.postcopy?.end === undefined ? "stream" : "postcopy";
  return { stream, container: { ...container, layers: [...container.layers, form] } };
}

/**
 * Reads a saved machine that is whole.
 *
 * @throws IommuError as {@link readMachineAsFar} does, and BAD_FILE for a stream that is cut or damaged
 */
export async function readSavedMachine(
  opened: OpenedInput,
  choice: MachineChoice,
): Promise<{ readonly stream: MigrationStream; readonly container: SavedContainer }> {
  const { stream, container } = await readMachineAsFar(opened, choice);
  const { damage, ...whole } = stream;
  if (damage !== undefined) throw damage;
  return { stream: whole, container };
}

/** Takes one container off after the other. */
class Unwrap {
  #source: MigrationSource;
  #offset: number;
  readonly #layers: string[];
  readonly #choice: MachineChoice;
  #libvirt: LibvirtImage | undefined;
  #snapshot: DiskSnapshot | undefined;
  #snapshots: readonly DiskSnapshot[] = [];
  #others: readonly DiskSnapshot[] = [];
  readonly #remarks: string[] = [];

  constructor(source: MigrationSource, offset: number, layers: readonly string[], choice: MachineChoice) {
    this.#source = sourceFrom(source, offset);
    this.#offset = offset;
    this.#layers = [...layers];
    this.#choice = choice;
  }

  /** Takes the outermost container off; false if there is none. */
  async step(): Promise<boolean> {
    const cursor = new ByteCursor(this.#source);
    const head = await cursor.peek(16);
    const packing = packingOf(head);
    if (isLibvirtImage(head)) await this.#openImage(cursor);
    else if (packing !== undefined) {
      this.#layers.push(packing);
      const { name } = this.#choice;
      const source = await this.#from(cursor);
      const size = sizeOf(source);
      this.#source = isOnce(source)
        ? unpacked(source, name)
        : () => unpacked(openSource(source), name, { size });
      this.#offset = 0;
    } else if (isQcow2(head)) await this.#openDisk(await this.#from(cursor));
    else {
      this.#source = await this.#from(cursor);
      return false;
    }
    return true;
  }

  /** The source from where the cursor is. */
  async #from(cursor: ByteCursor): Promise<MigrationSource> {
    if (isOnce(this.#source)) return cursor.rest();
    await cursor.close();
    return sourceFrom(this.#source, cursor.offset);
  }

  async #openImage(cursor: ByteCursor): Promise<void> {
    this.#layers.push("libvirt-save");
    this.#libvirt = await readLibvirtImage(cursor);
    if (this.#libvirt.isPartial)
      this.#remarks.push("libvirt's image says of itself that it was not written to its end");
    this.#offset += cursor.offset;
    this.#source = await this.#from(cursor);
  }

  async #openDisk(source: MigrationSource): Promise<void> {
    this.#layers.push("qcow2");
    const { name } = this.#choice;
    const disk = await Qcow2Snapshots.read(await readAnywhere(source, name));
    this.#snapshots = disk.snapshots;
    this.#snapshot = chosenSnapshot(disk, this.#choice);
    this.#source = await disk.state(this.#snapshot);
    this.#offset = 0;
    if (this.#choice.snapshot === undefined)
      this.#others = withMachine(disk.snapshots).filter((one) => one !== this.#snapshot);
  }

  result(): OpenedMachine {
    const { name, snapshot } = this.#choice;
    if (snapshot !== undefined && this.#snapshot === undefined) {
      const message = `${name}: is no disk with snapshots, and so there is none of the name "${snapshot}"`;
      throw new IommuError("BAD_ARGUMENT", message, { path: name, snapshot });
    }
    return {
      source: this.#source,
      container: {
        layers: this.#layers,
        offset: this.#offset,
        domainXml: this.#libvirt?.domainXml,
        snapshot: this.#snapshot,
        snapshots: this.#snapshots,
        others: this.#others,
        remarks: this.#remarks,
      },
    };
  }
}

const withMachine = (snapshots: readonly DiskSnapshot[]): readonly DiskSnapshot[] =>
  snapshots.filter(({ stateBytes }) => stateBytes > 0);

/** Says which of several machines this is, as words after the number of the others; undefined where there is no choice, or somebody made it. */
export function choiceText({ snapshot, others }: SavedContainer): string | undefined {
  if (snapshot === undefined || others.length === 0) return undefined;
  const names = others.map(({ name }) => `"${name}"`).join(", ");
  return `more in other snapshots of this disk (${names}): this is the newest machine, "${snapshot.name}"`;
}

/** The same as a sentence of its own, if there is one. */
export function choiceNotes(container: SavedContainer): string[] {
  const text = choiceText(container);
  return text === undefined ? [] : [`${container.others.length} ${text}`];
}

/** The snapshot that is wanted, or the newest one with a machine. */
function chosenSnapshot(
  { snapshots, backing }: Qcow2Snapshots,
  { name, snapshot }: MachineChoice,
): DiskSnapshot {
  const withState = withMachine(snapshots);
  if (withState.length === 0) {
    const has = snapshots.length === 0 ? "it has no snapshots" : "its snapshots are of the disk alone";
    const below = backing === undefined ? "" : `, and its backing file ${backing} may have some`;
    const message = `${name}: a disk (qcow2) without a saved machine in it: ${has}${below}; savevm in QEMU's monitor and virsh snapshot-create make some`;
    throw new IommuError("UNSUPPORTED", message, { path: name });
  }
  const found =
    snapshot === undefined
      ? withState.reduce((newest, one) => (one.seconds >= newest.seconds ? one : newest))
      : (withState.find((one) => one.name === snapshot) ?? withState.find(({ id }) => id === snapshot));
  if (found !== undefined) return found;
  const there = withState.map((one) => `"${one.name}"`).join(", ");
  const message = `${name}: no saved machine of the name "${snapshot}"; there are ${there}`;
  throw new IommuError("BAD_ARGUMENT", message, { path: name, snapshot: String(snapshot) });
}
