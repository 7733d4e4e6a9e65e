// All rows of it.
import "./text-forms.test.ts";
