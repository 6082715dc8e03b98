// Bundles each widget into one self-contained ES module: scope_widgets/static/<widget>.js
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "scope_widgets", "static");
const limit = 60_000;
/** The page of the workbench, without the views in it. */
const limits = { workbench: 150_000 };

// `import css from "./x.css"` gives the minified text: a view puts it into its own root, which is all that
// marimo's shadow DOM lets it style.
const cssAsText = {
  name: "css-as-text",
  setup(bundler) {
    bundler.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    });
  },
};

for (const entry of [
  "attention_view",
  "attribution_view",
  "head_table",
  "patching_map",
  "logit_lens_view",
  "circuit_graph",
  "steering_panel",
  "token_view",
  "feature_browser",
  "projection_view",
  "attention_stack",
  "workbench_bar",
  "saved_page",
  "workbench",
]) {
  const source = join(here, "src", `${entry}.ts`);
  if (!existsSync(source)) {
    console.log(`${entry}: no ${entry}.ts yet, skipped`);
    continue;
  }
  const outfile = join(out, `${entry}.js`);
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    legalComments: "none",
    charset: "utf8",
    plugins: [cssAsText],
  });
  const size = gzipSync(readFileSync(outfile)).length;
  console.log(`${entry}: ${(size / 1000).toFixed(1)} kB gzipped`);
  const most = limits[entry] ?? limit;
  if (size > most) {
    console.error(`${entry} is larger than its budget of ${most / 1000} kB`);
    process.exitCode = 1;
  }
}

// The page's own sheet, which stands before any script has run.
await build({
  entryPoints: [join(here, "src", "workbench", "workbench.css")],
  outfile: join(out, "workbench.css"),
  bundle: true,
  minify: true,
});
