from ocppj._core.backend_py import Dispatch as Dispatch
