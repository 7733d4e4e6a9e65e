import { rounds } from "../../helpers/random.ts";
import { compareTravel } from "./window-travel-campaign.ts";

compareTravel(2 ** 30, rounds(10_000));
