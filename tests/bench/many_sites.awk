# many_sites.awk: a Rust program with `sites` async functions, each polled once, that
# then runs until 0.1 s have passed. awk -v sites=5000 -f many_sites.awk > many.rs
BEGIN {
	print "use std::future::Future;"
	print "use std::pin::Pin;"
	print "use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};"
	print "struct Once(u64);"
	print "impl Future for Once {"
	print "    type Output = u64;"
	print "    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u64> { Poll::Ready(self.0) }"
	print "}"
	print "fn raw() -> RawWaker {"
	print "    fn clone(_: *const ()) -> RawWaker { raw() }"
	print "    fn nothing(_: *const ()) {}"
	print "    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);"
	print "    RawWaker::new(std::ptr::null(), &VTABLE)"
	print "}"
	print "fn run(task: Pin<&mut dyn Future<Output = u64>>) -> u64 {"
	print "    let waker = unsafe { Waker::from_raw(raw()) };"
	print "    match task.poll(&mut Context::from_waker(&waker)) { Poll::Ready(n) => n, Poll::Pending => 0 }"
	print "}"
	for (i = 0; i < sites; i++)
		print "async fn site" i "() -> u64 { Once(" i ").await + 1 }"
	print "static TASKS: [fn() -> u64; " sites "] = ["
	for (i = 0; i < sites; i++)
		print "    || { let mut task = site" i "(); run(unsafe { Pin::new_unchecked(&mut task) }) },"
	print "];"
	print "fn main() {"
	print "    let start = std::time::Instant::now();"
	print "    let sum: u64 = TASKS.iter().map(|task| task()).sum();"
	print "    while start.elapsed().as_millis() < 100 { std::thread::sleep(std::time::Duration::from_millis(1)); }"
	print "    println!(\"{}\", sum);"
	print "}"
}
