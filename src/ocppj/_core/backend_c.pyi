from ocppj._core.backend_py import Backend as Backend
