// A tail that never has enough of what it hears.

export default {
  tail() {
    for (;;);
  },
};
