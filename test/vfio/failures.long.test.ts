import { sweepFailures } from "./failure-sweep.ts";

sweepFailures(() => true);
