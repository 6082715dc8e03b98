// What views put off: tests wait for the short of it, need not wait for the long, and can keep it from happening.
(() => {
  const later = new Map(); // timers: what they do, after how many milliseconds
  const { setTimeout: put, clearTimeout: drop } = window;
  let holding = false;
  let next = 0;
  window.setTimeout = (action, ms = 0, ...args) => {
    const act = () => {
      later.delete(id);
      action(...args);
    };
    const id = holding ? --next : put(act, ms);
    later.set(id, { act, ms });
    return id;
  };
  window.clearTimeout = (id) => {
    later.delete(id);
    drop(id);
  };
  const frame = () => new Promise(requestAnimationFrame);
  /** Wait until nothing is put off for less than a second, and all is drawn. */
  window.rested = async () => {
    do {
      await (globalThis.settled?.() ?? frame());
      await frame();
    } while ([...later.values()].some(({ ms }) => ms < 1000));
  };
  /** What is put off from now on happens when `expire` says so. */
  window.hold = () => {
    holding = true;
  };
  /** Do now what is put off for so long or longer. */
  window.expire = (ms) => {
    for (const [id, timer] of [...later])
      if (timer.ms >= ms) {
        drop(id);
        timer.act();
      }
  };
})();
