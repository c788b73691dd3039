// ipywidgets typesets its labels by the queue of MathJax 2; hand that on to MathJax 3.
window.addEventListener("load", () => {
  if (!window.MathJax) return;
  const typeset = (element) => MathJax.typesetPromise([element]);
  MathJax.Hub = { Queue: (job) => MathJax.startup.promise.then(() => typeset(job[2])) };
});
