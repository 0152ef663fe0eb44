// A tail for tests: works only while `GATE` answers well, then tells `COLLECTOR` of each exchange, in the path.

export default {
  async tail(events, env) {
    const { ok } = await fetch(env.GATE);
    if (!ok) throw new Error('the gate is closed');
    for (const { record, logs } of events) {
      const words = logs.map(({ level, message }) => `/${level}-${message}`).join('');
      await fetch(`${env.COLLECTOR}/heard${record.path}/${record.status}/${record.error ?? 'well'}${words}`);
    }
  },
};
