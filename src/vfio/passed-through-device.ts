import type { PciHostBridge } from "../spapr/phb.ts";
import type { Connection } from "./connection.ts";

/**
 * A device of the host that the guest has.
 *
 * @public
 */
export interface PassedThroughDevice {
  readonly name: string;
  /** Number of its IOMMU group. */
  readonly group: number;
  readonly phb: PciHostBridge;
  /** Where the guest finds it: `devfn << 8`. */
  readonly configAddress: number;
  /** @internal */
  readonly connection: Connection;
}
