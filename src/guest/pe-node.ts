import { toBig } from "../base/u64.ts";
import type { DeviceTreeValue } from "../spapr/device-tree.ts";
import { DEFAULT_PAGE_SHIFT } from "../spapr/papr.ts";
import { DefaultWindow, type OwnWindow } from "./guest-window.ts";
import type { IommuTable } from "./iommu-table.ts";

/**
 * The node of a bridge in the device tree. Windows belong to it, so that all devices behind the bridge share them
 * (LINUX-SETUP-1).
 */
export class PeNode {
  /** `pci@800000020000000`. */
  readonly name: string;
  readonly buidHi: number;
  readonly buidLo: number;
  /** Tokens of query, create and remove; undefined for a bridge without dynamic windows. */
  readonly tokens: readonly [query: number, create: number, remove: number] | undefined;
  /** What `ibm,ddw-extensions` has after its count. */
  readonly extensions: readonly number[];
  /** Undefined when it is gone, or was never there. */
  defaultWindow: DefaultWindow | undefined;
  /** The window that Linux made. */
  own: OwnWindow | undefined;
  /** Does {@link own} map memory directly for this kernel? One that another kernel left may not. */
  ownIsDirect = false;
  /** Was a function behind the bridge set up? */
  hasFunctions = false;
  /** An attempt to make a window failed: there is no other one until the next boot. */
  failed = false;
  /** Tables of entries: of the default window, and of one that gives entries out. */
  readonly tables: [IommuTable | undefined, IommuTable | undefined] = [undefined, undefined];

  constructor(name: string, properties: Readonly<Record<string, DeviceTreeValue>>, own?: OwnWindow) {
    const cells = (property: string): readonly number[] => (properties[property] ?? []) as readonly number[];
    this.name = name;
    [this.buidHi = 0, this.buidLo = 0] = cells("reg");
    const tokens = cells("ibm,ddw-applicable");
    this.tokens = tokens.length < 3 ? undefined : [tokens[0]!, tokens[1]!, tokens[2]!];
    const [count = 0, ...extensions] = cells("ibm,ddw-extensions");
    this.extensions = extensions.slice(0, count);
    const window = cells("ibm,dma-window");
    if (window.length >= 5) {
      const place = {
        liobn: window[0]!,
        busOffset: toBig(window[1]!, window[2]!),
        pageShift: DEFAULT_PAGE_SHIFT,
      };
      this.defaultWindow = new DefaultWindow(place, Number(toBig(window[3]!, window[4]!)));
    }
    this.own = own;
  }
}
