#!/bin/sh
# Install into build/hosts what the tests of VS Code, code-server and Colab run: packages of npm, none of whose scripts is run
# but the builds of two addons. Node's headers must be there for these (/usr/include/node, or NODE_HEADERS=folder).
set -e
here=build/hosts
version=4.100.3
mkdir -p $here/code-server
cp tests/support/host_packages/package.json tests/support/host_packages/package-lock.json $here
(cd $here && npm ci --ignore-scripts --silent --no-audit --no-fund)
echo '{"private": true}' > $here/code-server/package.json
rm -f $here/code-server/built
if [ "$(node -p 'process.versions.node.split(".")[0]')" != 20 ]; then
    echo "code-server $version runs on Node 20 only: its test will be skipped." >&2
    exit 0
fi
cd $here/code-server
quietly="--ignore-scripts --silent --no-audit --no-fund"
npm install $quietly code-server@$version  # its own shrinkwrap says the rest
editor=node_modules/code-server/lib/vscode
(cd $editor && npm install $quietly --omit=dev && cd extensions && npm install $quietly --omit=dev)
ln -sfn node_modules $editor/node_modules.asar
ln -sfn node_modules $editor/extensions/node_modules.asar
export npm_config_nodedir="${NODE_HEADERS:-/usr}"
if npm rebuild --silent argon2 >/dev/null 2>&1 && (cd $editor && npm rebuild --silent @vscode/spdlog >/dev/null 2>&1); then
    touch built
else
    echo "The addons of code-server could not be built: its test will be skipped." >&2
fi
