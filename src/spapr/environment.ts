import type { Spare } from "../base/spare.ts";
import type { WindowEnvironment } from "./dma-window.ts";
import type { Profile } from "./profile.ts";

/** What the parts of one machine share: what its windows need, and what its calls need beyond that. */
export interface SpaprEnvironment extends WindowEnvironment {
  readonly profile: Profile;
  /** Room for the entries of one H_PUT_TCE_INDIRECT: {@link MAX_LIST_ENTRIES}, high and low half of each. */
  readonly lists: Spare<Uint32Array>;
}
