#!/bin/sh
# Install Chromium for the browser tests where apt may; say plainly when it cannot be had.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null && exit 0
fi
echo "No Chromium here and no right to install one: the browser tests will be skipped." >&2
echo "Install Chromium (on Debian: sudo apt-get install chromium) and run again." >&2
[ -z "$SCOPE_REQUIRE_BROWSER" ]
