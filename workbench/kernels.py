"""Notebook kernels that start in milliseconds: forked from a server process that has imported what notebooks use."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import threading
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from workbench.scale.processes import end_with_the_parent

# What notebooks use, but for what looks for a kernel when it is imported: ipywidgets, plotly, pyplot.
IMPORTED = (
    "workbench._skops",  # the first, as it looks through all modules that are imported
    "torch",
    "torch._dynamo",  # by the first optimiser
    "torch.distributed.tensor",  # by accelerate
    "accelerate",
    "scipy.signal",
    "matplotlib.backends.backend_agg",
    "ipykernel.kernelapp",
    "workbench.figures",
    "workbench.studies.running",
)


class Started:
    """The kernels that were started here, all of which can be ended at once."""

    def __init__(self):
        self.processes = []

    def kill(self) -> None:
        """End all kernels; waiting for an answer of one ends with an error."""
        for process in self.processes:
            process.kill()


def manager(started: Started) -> type[AsyncKernelManager]:
    """Return the class of kernel managers that starts kernels fastest here, and notes them in `started`.

    Elsewhere than on Linux, libraries do not bear a fork, and a kernel is a fresh interpreter.
    """

    class Manager(AsyncKernelManager):
        shutdown_wait_time = 30.0  # s, for a machine that is busy

        async def _async_pre_start_kernel(self, **options):
            if self.provisioner is None and sys.platform == "linux":
                about = {"kernel_id": self.kernel_id, "kernel_spec": self.kernel_spec, "parent": self}
                self.provisioner = Forked(**about)
            return await super()._async_pre_start_kernel(**options)

        async def _async_post_start_kernel(self, **options):
            started.processes.append(self.provisioner.process)
            await super()._async_post_start_kernel(**options)

    return Manager


class Forked(LocalProvisioner):
    """A kernel that is forked from the server process; the first one starts the server."""

    async def launch_kernel(self, cmd: list[str], **options) -> dict:
        """Start the kernel and return how to connect to it; of `cmd`, only the connection file matters here."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(IMPORTED))
        self.cwd = options.get("cwd") or Path.cwd()
        arguments = str(self.parent.connection_file), str(self.cwd), options["env"]
        process = context.Process(target=_run, args=arguments, name="kernel")
        process.start()
        self.process, self.pid, self.pgid = _AsPopen(process), process.pid, process.pid
        return self.connection_info


class _AsPopen:
    """A process of `multiprocessing` with the methods of `subprocess.Popen` that a provisioner calls."""

    stdin = stdout = stderr = None

    def __init__(self, process):
        self.process, self.kill, self.terminate = process, process.kill, process.terminate

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self) -> int:
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.process.pid, number)


def _run(connection_file: str, folder: str, environment: dict[str, str]) -> None:
    """Be a kernel, as `python -m ipykernel_launcher -f FILE` is, in a process group of its own."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    if sys.version_info < (3, 14):
        # The workers of a kernel are forked from the server that it was forked from, which has imported everything.
        # `ensure_running` is said to do nothing in such a process, but starts another server.
        multiprocessing.forkserver._forkserver.ensure_running = lambda: None
    import matplotlib
    from ipykernel.kernelapp import IPKernelApp

    backend = os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as a kernel sets it
    matplotlib.rcParams["backend"] = backend  # matplotlib has been imported before
    options = {"connection_file": connection_file, "log_level": 40, "parent_handle": os.getppid()}
    IPKernelApp.launch_instance([f"--IPKernelApp.{name}={value}" for name, value in options.items()])
