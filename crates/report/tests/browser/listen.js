const seen = { errors: [] };
addEventListener("error", (event) => seen.errors.push(String(event.message)));
addEventListener("unhandledrejection", (event) => seen.errors.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => seen.errors.push(`forbidden: ${event.blockedURI}`));
for (const kind of ["error", "warn"]) console[kind] = (...words) => seen.errors.push(words.join(" "));
// A browser that only hands the document out makes no frames.
requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 1);
