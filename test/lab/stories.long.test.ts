import { storyNames } from "../../src/cli/story-files.ts";
import { failWithTheirMutation } from "./mutated-stories.ts";

failWithTheirMutation(storyNames());
