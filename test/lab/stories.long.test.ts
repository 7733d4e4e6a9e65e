import { storyNames } from "../../src/cli/story-files.ts";
import { comeOutAsTheySay, failWithTheirMutation } from "./told-stories.ts";

comeOutAsTheySay(storyNames());
failWithTheirMutation(storyNames());
