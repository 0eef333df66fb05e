/** The examples of the documentation run, and print what their comments say. */
import { testExamples } from "../support/examples.ts";

await testExamples(["fixtures", "tests"]);
